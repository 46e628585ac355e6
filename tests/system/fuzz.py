"""Sends a platform the requests that its description allows, and those it forbids, in sequences
that build on answers.

    python -m tests.system.fuzz --cases 20000 [--seed N]

starts a separate stack and exits with status 1 if an answer was 5xx or had a status or media type
that the description lacks.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import requests
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.modes import GenerationMode
from schemathesis.generation.stateful.state_machine import APIStateMachine

from tests.support.documents import complete_at
from tests.support.groups import STILL, UNLIMITED
from tests.support.stack import ADA, OPERATOR, Stack, own_stack

ADMIN = "admin@demo.valerix.example"
ROLES = {"customer": ADA, "operator": OPERATOR, "admin": ADMIN, "nobody": None}
STEPS = 10
"""Calls in one sequence."""
ROUND = 3
"""Sequences between two checks of the count."""
SHOWN = 1000
KEPT = 20
BUILD_ON_ANSWERS = 0.7


@dataclass
class Findings:
    """Counts requests and statuses, and collects the answers that must not occur."""

    calls: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    """By operation and status: the command that repeats the request, and the answer."""

    @property
    def total(self) -> int:
        return sum(self.calls.values())

    def note(
        self, operation: str, described: dict[str, Any], response: Any, command: Callable[[], str]
    ) -> None:
        self.calls[operation] += 1
        self.statuses[response.status_code] += 1
        if response.status_code >= 500 or not is_described(described, response):
            self.failures.setdefault(
                f"{operation} {response.status_code}", f"{command()}\n{response.text[:SHOWN]}"
            )


def is_described(described: dict[str, Any], response: Any) -> bool:
    """Whether an operation's `responses` contain this status with this media type."""
    own = described.get(str(response.status_code))
    media_types = [value.partition(";")[0] for value in response.headers.get("content-type", [])]
    return own is not None and (media_types == [*own.get("content", {})] or not response.content)


class Known:
    """Values seen in answers, by field name: random identifiers would always get 404."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - must be reproducible
        self._values: dict[str, list[Any]] = {
            "method": ["card_ok"],
            "currency": ["USD"],
            "quantity": [1],
        }

    def learn(self, path: str, document: Any) -> None:
        """Stores the values of an answer; `id` gets its name from the path: `orderId` for
        `/api/v1/orders/…`.
        """
        if isinstance(document, list):
            for one in document[:KEPT]:
                self.learn(path, one)
        elif isinstance(document, dict):
            for name, value in document.items():
                self.learn(path, value)
                if isinstance(value, str | int):
                    self._keep(_of(path) if name == "id" else name, value)

    def _keep(self, name: str, value: Any) -> None:
        values = self._values.setdefault(name, [])
        values.append(value)
        del values[:-KEPT]

    def instead(self, name: str, value: Any) -> Any:
        """Returns `value`, or more often a value seen under that name."""
        values = self._values.get("productId" if name == "sku" else name)
        return (
            self._random.choice(values)
            if values and self._random.random() < BUILD_ON_ANSWERS
            else value
        )

    def within(self, body: Any) -> Any:
        if isinstance(body, dict):
            return {name: self.within(self.instead(name, value)) for name, value in body.items()}
        return [self.within(one) for one in body] if isinstance(body, list) else body


def _of(path: str) -> str:
    """Returns the field name for the id of the objects at a path."""
    kinds = [part for part in path.split("/") if part.endswith("s") and "{" not in part]
    return (
        {"dead-letters": "letterId"}.get(kinds[-1], kinds[-1].removesuffix("s") + "Id")
        if kinds
        else "id"
    )


class Caller:
    """Sends requests as one role; signs in again when its session has ended, and repairs its
    account if it has locked itself out.
    """

    def __init__(self, stack: Stack, email: str | None, findings: Findings, known: Known) -> None:
        self._stack, self._email, self._findings, self._known = stack, email, findings, known
        self._session = requests.Session()
        self._session.trust_env = False
        self._account = asyncio.run(self._remember()) if email else {}
        self._sign_in()

    def call(self, case: Any) -> Any:
        """Sends one generated case and returns the answer."""
        case.headers = {
            name: value
            for name, value in (case.headers or {}).items()
            if name.lower() != "authorization"
        }
        for name, value in (case.path_parameters or {}).items():
            head, *rest = name.split("_")
            case.path_parameters[name] = self._known.instead(
                head + "".join(map(str.title, rest)), value
            )
        case.body = self._known.within(case.body)
        response = case.call(session=self._session, timeout=60)
        if response.status_code < 300 and "application/json" in str(
            response.headers.get("content-type")
        ):
            self._known.learn(case.path, response.json())
        responses = case.operation.definition.raw["responses"]
        self._findings.note(
            case.operation.label, responses, response, lambda: str(case.as_curl_command())
        )
        if response.status_code == 401 and self._email:
            self._sign_in()
        return response

    def _sign_in(self) -> None:
        if self._email:
            asyncio.run(self._mend())
            self._session.headers["Authorization"] = (
                f"Bearer {asyncio.run(self._stack.new_token(self._email))}"
            )

    async def _remember(self) -> dict[str, Any]:
        (account,) = await self._stack.rows(
            "users", "SELECT id, role, password_hash FROM users WHERE email = $1", self._email
        )
        return account

    async def _mend(self) -> None:
        """Restores the account: it may have changed its address, and another account may have taken
        the old one.
        """
        other = "UPDATE users SET email = id || '@taken.example' WHERE email = $2 AND id <> $1"
        await self._stack.rows("users", other, self._account["id"], self._email)
        own = """UPDATE users SET status = 'active', email = $2, role = $3, password_hash = $4
            WHERE id = $1"""
        account = self._account
        await self._stack.rows(
            "users", own, account["id"], self._email, account["role"], account["password_hash"]
        )


def fuzz(stack: Stack, cases: int, seed: int = 0) -> Findings:
    """Sends at least `cases` calls, a quarter by each role, half of them in sequences. Every
    operation is called.
    """
    findings, known = Findings(), Known(seed)
    for number, email in enumerate(ROLES.values(), 1):
        caller = Caller(stack, email, findings, known)
        schema = _schema(stack.url)
        _singly(schema, caller, findings, cases * (2 * number - 1) // (2 * len(ROLES)), seed)
        _in_sequences(schema, caller, findings, cases * number // len(ROLES), seed)
    return findings


def _schema(url: str) -> Any:
    """Loads the complete document: unpublished operations are called, too."""
    document = complete_at(url)
    config = SchemathesisConfig()
    config.projects.default.base_url = url
    return schemathesis.openapi.from_dict(document, config=config)


def _singly(schema: Any, caller: Caller, findings: Findings, until: int, seed: int) -> None:
    operations = [result.ok() for result in schema.get_all_operations()]
    for number in _rounds(findings, until):
        for operation in operations:
            for mode in GenerationMode:
                _run_single(operation.as_strategy(generation_mode=mode), caller, seed + number)


def _run_single(strategy: Any, caller: Caller, seed: int) -> None:
    @hypothesis.seed(seed)
    @_settings(examples=1)
    @hypothesis.given(case=strategy)
    def once(case: Any) -> None:
        caller.call(case)

    # The description of some operations forbids nothing.
    try:
        once()
    except (hypothesis.errors.Unsatisfiable, hypothesis.errors.InvalidArgument):
        return


def _in_sequences(schema: Any, caller: Caller, findings: Findings, until: int, seed: int) -> None:
    machine: type[APIStateMachine] = schema.as_state_machine()

    class Sequences(machine):  # type: ignore[valid-type, misc]  # made at run time
        def call(self, case: Any, **_: Any) -> Any:
            return caller.call(case)

        def validate_response(self, *_: Any, **__: Any) -> None:
            """Does nothing: `Findings.note` judges the response; a failure here would end the
            sequence.
            """

    for number in _rounds(findings, until):
        hypothesis.seed(seed + number)(Sequences)
        # The next calls depend on a service's answers, which may differ in a second run.
        with contextlib.suppress(hypothesis.errors.Flaky):
            Sequences.run(settings=_settings(examples=ROUND))


def _rounds(findings: Findings, until: int) -> Iterator[int]:
    """Yields round numbers, at least one, until the calls reach `until`."""
    number = 0
    while number == 0 or findings.total < until:
        yield number
        number += 1


def _settings(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with own_stack(chaos="disabled", **STILL, **UNLIMITED) as stack:
        findings = fuzz(stack, arguments.cases, arguments.seed)
    _report(findings)
    return 1 if findings.failures else 0


def _report(findings: Findings) -> None:
    lines = [f"{count:7} {operation}" for operation, count in sorted(findings.calls.items())]
    statuses = ", ".join(
        f"{status}: {count}" for status, count in sorted(findings.statuses.items())
    )
    failures = [f"{what}\n{how}" for what, how in findings.failures.items()]
    verdict = (
        f"{findings.total} cases, {len(findings.calls)} operations, "
        f"{len(findings.failures)} kinds of failure"
    )
    print("\n".join([*lines, statuses, *failures, verdict]))  # noqa: T201 - a command of its own


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
