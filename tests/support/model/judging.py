"""The rules that every answer must follow, whatever the request."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.support.api import Answer
from tests.support.model.document import Described
from tests.support.model.operations import ANONYMOUS, CUSTOMERS, Call
from valerix.chassis.base.idempotency import KeyInFlight

PROBLEM = "application/problem+json"
SHOWN = 600
VOLATILE = {"updateStock": ("idempotent", "message"), "adjustStock": ("idempotent",)}
"""Fields that a repeated answer has and the first one lacks."""
FIRST_IDS = {
    "capturePayment": ("id",),
    "refundPayment": ("id", "amountMinor"),
    "sendNotification": ("id",),
}
"""Fields that stay the same in answers about work that continues after the first answer."""


@dataclass
class Verdicts:
    """Counts answers, and collects those that break a rule."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Answers by operation and role."""
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answers by operation and status."""
    faults: dict[str, str] = field(default_factory=dict)
    """Broken rules by kind: the first example of each."""
    unlisted: dict[tuple[str, int], str] = field(default_factory=dict)
    """Answers with a status that the document does not list for the operation: the first of
    each.
    """
    _firsts: dict[tuple[str, str, str], tuple[str, object]] = field(default_factory=dict)
    """By role, path and key: the body, and the content that each answer to it must have."""

    def succeeded(self, operation: str) -> bool:
        return any(200 <= status < 300 for name, status in self.statuses if name == operation)

    def judge(
        self, operation: Described, role: str, own: dict[str, str], call: Call, answer: Answer
    ) -> None:
        self.calls[operation.id, role] += 1
        self.statuses[operation.id, answer.status] += 1
        shown = (
            f"{role}: {operation.method} {operation.path} {call.shown()}\n"
            f"{answer.status} {answer.body[:SHOWN]!r}"
        )
        for what in self._faults(operation, role, own, call, answer):
            self.faults.setdefault(f"{operation.id} {answer.status}: {what}", shown)
        if not _is_listed(operation, answer.status):
            self.unlisted.setdefault((operation.id, answer.status), shown)

    def _faults(
        self, operation: Described, role: str, own: dict[str, str], call: Call, answer: Answer
    ) -> Iterable[str]:
        found = (
            "failed" if answer.status >= 500 and answer.status != 503 else None,
            None
            if answer.status < 400 or is_problem(answer)
            else "not a problem document with a code",
            "open without a token"
            if answer.status < 400 and role == ANONYMOUS and not operation.public
            else None,
            "another customer's"
            if role in CUSTOMERS and not operation.public and _of_others(answer, own)
            else None,
            self._repeated(operation, role, call, answer),
        )
        return filter(None, found)

    def _repeated(self, operation: Described, role: str, call: Call, answer: Answer) -> str | None:
        """Checks that a key belongs to one body, and that its first answer is repeated."""
        if call.key is None:
            return None
        said, asked = _first_answer(operation, answer), json.dumps(call.body, sort_keys=True)
        request = role, operation.path.format(**call.path), call.key
        if request not in self._firsts:
            if said is not None:
                self._firsts[request] = asked, said
            return None
        body, first = self._firsts[request]
        if body != asked:
            return None if said is None else f"the key belongs to {body}"
        return None if said == first or _says_nothing(answer) else f"the first answer was {first!r}"


def is_problem(answer: Answer) -> bool:
    """Whether a refusal is machine-readable."""
    if not answer.headers.get("content-type", "").startswith(PROBLEM):
        return False
    document = answer.json
    return bool(document.get("code")) and document.get("status") == answer.status


def documents(answer: Answer) -> Any:
    """Returns the documents of an answer that later calls can use; None if there are none."""
    return answer.json if "json" in answer.headers.get("content-type", "") and answer.body else None


def _is_listed(operation: Described, status: int) -> bool:
    """Whether the document lists the status. `default` describes failures, which no caller can
    provoke.
    """
    return str(status) in operation.statuses or (status >= 500 and "default" in operation.statuses)


def _says_nothing(answer: Answer) -> bool:
    """Whether the request was refused before it was processed."""
    return answer.status in (401, 429, 503) or (
        is_problem(answer) and answer.json["code"] == KeyInFlight.code
    )


def _of_others(answer: Answer, own: dict[str, str]) -> bool:
    document = documents(answer)
    shown = document.get("items", [document]) if isinstance(document, dict) else []
    return any(
        one.get("customerId", own["customerId"]) not in (None, own["customerId"]) for one in shown
    )


def _first_answer(operation: Described, answer: Answer) -> object:
    """Returns the content that must be the same in every answer to a repeated request; None if the
    answer was not final.
    """
    if operation.id == "placeOrder":
        is_final = answer.status in (200, 201) or (
            answer.status in (402, 409, 422) and b'"order":' in answer.body
        )
        return answer.body if is_final else None
    if answer.status >= 300:
        return None
    document = answer.json
    if operation.id in FIRST_IDS:
        return {name: document[name] for name in FIRST_IDS[operation.id]}
    return {
        name: value
        for name, value in document.items()
        if name not in VOLATILE.get(operation.id, ())
    }
