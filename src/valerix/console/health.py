"""Health of ordering: the one judgement that header, overview and map show.

The worst symptom decides.

Services that an order needs to be confirmed weigh more than the services that follow: without
payments ordering is down, without notifications it is impaired.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple


class Severity(StrEnum):
    """Severity of a symptom, the worst first."""

    BAD = "bad"
    WARN = "warn"
    UNKNOWN = "unknown"
    """Nothing was measured."""
    OK = "ok"


NEEDED: Final = frozenset({"gateway", "orders", "inventory", "payments", "psp", "users"})
"""Without one of these processes no order is confirmed, or no customer can sign in."""
NEEDED_CALLS: Final = frozenset(
    {("orders", "users"), ("orders", "inventory"), ("orders", "payments"), ("payments", "psp")}
)
"""Calls made while a customer waits.

Other calls are the worker's, or belong to work of staff by hand.
"""
SLOW_MS: Final = 1000.0
"""Average response time of placing an order above which ordering is down (see the alert rules)."""
FAILED_SHARE: Final = 0.05
"""Share of failed answers to placing an order above which ordering is down."""
DOWN, DEGRADED, UNKNOWN = "down", "degraded", "unknown"
OPEN, HALF_OPEN = "open", "half_open"
HEALTHY: Final = "Healthy"


class PlacingAnswers(NamedTuple):
    """Answers to placing an order in the last `seconds`.

    `average_ms`: None without a timed answer.
    """

    seconds: float
    average_ms: float | None
    answers: float
    failed: float


class ActiveFault(NamedTuple):
    """An injected fault. `cut_off_from`: empty for other kinds; `strikes`: requests that met it."""

    service: str
    label: str
    cut_off_from: str
    strikes: int


@dataclass(frozen=True)
class Symptom:
    """One sign of trouble.

    `about`: a process, or `caller → called`; empty for placing an order itself.
    """

    level: Severity
    title: str
    about: str
    text: str


@dataclass(frozen=True)
class OrderingHealth:
    """The judgement. `title`: a word or two; `symptoms`: the worst first."""

    level: Severity
    title: str
    symptoms: list[Symptom]


def judge(
    placing: PlacingAnswers,
    processes: Mapping[str, str],
    breakers: Mapping[tuple[str, str], str | None],
    faults: Sequence[ActiveFault],
) -> OrderingHealth:
    """Judge the health of ordering. Of equally severe symptoms, causes come before effects.

    `processes`: status by process. `breakers`: state by caller and called.
    """
    found = [*_processes(processes), *_breakers(breakers), *_placing(placing), *map(_fault, faults)]
    found.sort(key=lambda symptom: list(Severity).index(symptom.level))
    return (
        OrderingHealth(found[0].level, found[0].title, found)
        if found
        else OrderingHealth(Severity.OK, HEALTHY, [])
    )


def is_slow(average_ms: float | None) -> bool:
    """Whether placing orders is so slow that ordering is down."""
    return average_ms is not None and average_ms > SLOW_MS


def _placing(placing: PlacingAnswers) -> Iterator[Symptom]:
    if not placing.answers:
        yield Symptom(
            Severity.UNKNOWN,
            "No orders",
            "",
            f"no order was placed in the last {placing.seconds:.0f} s",
        )
    elif placing.failed / placing.answers > FAILED_SHARE:
        yield Symptom(
            Severity.BAD,
            "Failing",
            "",
            f"{placing.failed:.0f} of {placing.answers:.0f} orders got an error",
        )
    if is_slow(placing.average_ms):
        yield Symptom(
            Severity.BAD,
            "Slow",
            "",
            f"orders are answered after {placing.average_ms:.0f} ms on average",
        )


def _processes(processes: Mapping[str, str]) -> Iterator[Symptom]:
    for name, status in processes.items():
        if status == DOWN and name in NEEDED:
            yield Symptom(Severity.BAD, "Down", name, "does not answer, and orders need it")
        elif status == DOWN:
            yield Symptom(
                Severity.WARN, "Degraded", name, "does not answer; orders are confirmed without it"
            )
        elif status == DEGRADED:
            yield Symptom(
                Severity.WARN, "Degraded", name, "is impaired, or a copy of it does not answer"
            )
        elif status == UNKNOWN:
            yield Symptom(Severity.UNKNOWN, "No data", name, "has not been checked yet")


def _breakers(breakers: Mapping[tuple[str, str], str | None]) -> Iterator[Symptom]:
    for call, state in breakers.items():
        if state == OPEN:
            level = Severity.BAD if call in NEEDED_CALLS else Severity.WARN
            yield Symptom(
                level, "Cut off", " → ".join(call), "circuit breaker open, calls fail at once"
            )
        elif state == HALF_OPEN:
            yield Symptom(
                Severity.WARN,
                "Degraded",
                " → ".join(call),
                "circuit breaker half-open, waits for the next call",
            )


def _fault(fault: ActiveFault) -> Symptom:
    if not fault.strikes:
        return Symptom(
            Severity.WARN,
            "Fault armed",
            fault.service,
            f"{fault.label}: armed, no request has met it yet",
        )
    times = "once" if fault.strikes == 1 else f"{fault.strikes} times"
    level = Severity.BAD if (fault.service, fault.cut_off_from) in NEEDED_CALLS else Severity.WARN
    return Symptom(level, "Fault", fault.service, f"{fault.label}: struck {times}")
