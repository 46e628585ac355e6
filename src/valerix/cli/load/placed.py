"""The outcome of one order as its caller sees it, answer by answer."""

import random
from dataclasses import dataclass, field
from typing import Final

import msgspec

from valerix.client.errors import read_problem
from valerix.client.steps import Answer, NoReply, Outcome

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 10.0


@dataclass(slots=True)
class Placed:
    """An order that was sent, and the answers to it so far."""

    key: str
    customer_id: str
    order_id: str | None = None
    sends: int = 0
    """Number of attempts until the first answer."""
    answered_seconds: float | None = None
    """Time from the scheduled moment to the first answer, 202 included; None: no answer."""
    pending: bool = False
    """Whether an answer was 202."""
    status: int | None = None
    """Status of the definite answer; None: there is none yet."""
    code: str = ""
    reasons: list[str] = field(default_factory=list)
    """Reasons for delays and failures, each once."""

    def take(self, outcome: Outcome, seconds: float) -> None:
        """Record an outcome that arrived `seconds` after the order was due."""
        reason = self._learn(outcome)
        if reason and reason not in self.reasons:
            self.reasons.append(reason)
        if self.answered_seconds is not None:
            return
        self.sends += 1
        if is_answer(outcome):
            self.answered_seconds = seconds

    def _learn(self, outcome: Outcome) -> str | None:
        if isinstance(outcome, NoReply):
            return outcome.reason.partition(": ")[2] or outcome.reason
        if not is_answer(outcome):
            return kind(outcome)
        self.pending |= outcome.status == 202
        self.status = None if outcome.status == 202 else outcome.status
        if outcome.status < 300:
            order = _read_order(outcome.body)
            self.order_id = order.id
            return order.error_message if outcome.status == 202 else None
        problem = read_problem(outcome)
        self.order_id = problem.order.id if problem.order else self.order_id
        self.code = problem.code
        return problem.detail or problem.title


class _PlacedOrder(msgspec.Struct, rename="camel"):
    id: str
    error_message: str | None = None


_read_order = msgspec.json.Decoder(_PlacedOrder).decode


def is_answer(outcome: Outcome) -> bool:
    """Return whether the outcome says what became of the request.

    Otherwise the request is sent again.
    """
    if isinstance(outcome, NoReply) or outcome.status == 429 or outcome.status >= 500:
        return False
    if outcome.status == 404:
        # A starting gateway listens before it knows its routes; services answer a code.
        return read_problem(outcome).code != ""
    # With Retry-After: the same key is in flight.
    return outcome.status != 409 or outcome.retry_after is None


def is_definite(outcome: Outcome) -> bool:
    """Return whether the same key gets this answer forever."""
    return is_answer(outcome) and isinstance(outcome, Answer) and outcome.status != 202


def kind(outcome: Outcome) -> str:
    """Return a short name of the outcome, for counting."""
    if isinstance(outcome, NoReply):
        return "no answer"
    if outcome.status >= 400:
        return f"{outcome.status} {read_problem(outcome).code}".strip()
    return f"{outcome.status} replayed" if is_replay(outcome) else str(outcome.status)


def is_replay(answer: Answer) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


def replay_mismatch(first: Answer, again: Answer) -> str | None:
    """Return what is wrong with `again`, the answer to the same request sent once more.

    None if correct.
    """
    if not is_replay(again):
        return "is not marked as a replay"
    if again.status != (200 if first.status == 201 else first.status):
        return f"has status {again.status} after {first.status}"
    return None if again.body == first.body else "has another body"


def pause(outcome: Outcome, attempt: int) -> float:
    """Return the seconds before the request is sent again.

    The backoff is 0.1, 0.2, 0.4 … 10, times 0.5 to 1, and never shorter than the answer's
    Retry-After.
    """
    backoff = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 10))
    retry_after = outcome.retry_after if isinstance(outcome, Answer) else None
    backoff *= random.uniform(0.5, 1)  # noqa: S311 - spreads callers, guards nothing
    return max(retry_after or 0.0, backoff)
