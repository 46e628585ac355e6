"""What every answer must be, whatever was sent."""

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
"""What a repeated answer has that the first has not."""
FIRST_IDS = {"capturePayment": ("id",), "refundPayment": ("id", "amountMinor"), "sendNotification": ("id",)}
"""Of what goes on after the first answer, only that stays the same."""


@dataclass
class Verdicts:
    """What was answered, and what must not have been."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By operation and role."""
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By operation and status."""
    faults: dict[str, str] = field(default_factory=dict)
    """By kind: the first example."""
    unlisted: dict[tuple[str, int], str] = field(default_factory=dict)
    """Answers with a status that the document does not list for the operation: the first of each."""
    _firsts: dict[tuple[str, str, str], tuple[str, object]] = field(default_factory=dict)
    """By role, path and key: the body, and what each answer to it must say."""

    def succeeded(self, operation: str) -> bool:
        return any(200 <= status < 300 for name, status in self.statuses if name == operation)

    def judge(self, operation: Described, role: str, own: dict[str, str], call: Call, answer: Answer) -> None:
        self.calls[operation.id, role] += 1
        self.statuses[operation.id, answer.status] += 1
        shown = f"{role}: {operation.method} {operation.path} {call.shown()}\n{answer.status} {answer.body[:SHOWN]!r}"
        for what in self._faults(operation, role, own, call, answer):
            self.faults.setdefault(f"{operation.id} {answer.status}: {what}", shown)
        if not _is_listed(operation, answer.status):
            self.unlisted.setdefault((operation.id, answer.status), shown)

    def _faults(
        self, operation: Described, role: str, own: dict[str, str], call: Call, answer: Answer
    ) -> Iterable[str]:
        found = (
            "failed" if answer.status >= 500 and answer.status != 503 else None,
            None if answer.status < 400 or is_problem(answer) else "not a problem document with a code",
            "open to everybody" if answer.status < 400 and role == ANONYMOUS and not operation.public else None,
            "another customer's" if role in CUSTOMERS and not operation.public and _of_others(answer, own) else None,
            self._repeated(operation, role, call, answer),
        )
        return filter(None, found)

    def _repeated(self, operation: Described, role: str, call: Call, answer: Answer) -> str | None:
        """Under one key there is one body, and its first answer is given again."""
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
    """Whether a refusal can be read by programs."""
    if not answer.headers.get("content-type", "").startswith(PROBLEM):
        return False
    document = answer.json
    return bool(document.get("code")) and document.get("status") == answer.status


def documents(answer: Answer) -> Any:
    """What an answer has for later calls; None: nothing."""
    return answer.json if "json" in answer.headers.get("content-type", "") and answer.body else None


def _is_listed(operation: Described, status: int) -> bool:
    """`default` describes what no caller can provoke: failures."""
    return str(status) in operation.statuses or (status >= 500 and "default" in operation.statuses)


def _says_nothing(answer: Answer) -> bool:
    """Whether the request was not looked at."""
    return answer.status in (401, 429, 503) or (is_problem(answer) and answer.json["code"] == KeyInFlight.code)


def _of_others(answer: Answer, own: dict[str, str]) -> bool:
    document = documents(answer)
    shown = document.get("items", [document]) if isinstance(document, dict) else []
    return any(one.get("customerId", own["customerId"]) not in (None, own["customerId"]) for one in shown)


def _first_answer(operation: Described, answer: Answer) -> object:
    """What must be the same in every answer to a repeated request; None: the answer was not the final one."""
    if operation.id == "placeOrder":
        is_final = answer.status in (200, 201) or (answer.status in (402, 409, 422) and b'"order":' in answer.body)
        return answer.body if is_final else None
    if answer.status >= 300:
        return None
    document = answer.json
    if operation.id in FIRST_IDS:
        return {name: document[name] for name in FIRST_IDS[operation.id]}
    return {name: value for name, value in document.items() if name not in VOLATILE.get(operation.id, ())}
