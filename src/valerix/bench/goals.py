"""The product's performance goals, compared with the measured figures."""

from collections.abc import Callable
from typing import Final

from valerix.bench.results import CLASSIC, GATEWAY, SERVICE_PORT, TUNED, Goal, Results, name_of

SATURATION_SHARE: Final = 0.7
Value = Callable[[Results], float | None]


def judge(results: Results) -> list[Goal]:
    """Compare every goal that a benchmark on one machine can measure.

    Goals not measured are marked so.
    """
    return [
        _at_least(
            "1",
            "sustained orders/s over the ceiling: gateway, 128 connections",
            0.9,
            results,
            sustained_ratio,
        ),
        _at_least(
            "2",
            "burst orders/s over the ceiling: gateway, 128 connections",
            1.0,
            results,
            ceiling_ratio,
        ),
        _at_least(
            "2",
            "the same at the orders service's own port, 128 connections",
            1.3,
            results,
            _ratio(SERVICE_PORT, 128),
        ),
        _at_least(
            "2", "the same through the gateway, 32 connections", 0.6, results, _ratio(GATEWAY, 32)
        ),
        _at_least(
            "3", "times Node classic: gateway, 128 connections", 5.0, results, _over(CLASSIC)
        ),
        _at_least("3", "times Node tuned: gateway, 128 connections", 2.5, results, _over(TUNED)),
        _at_least(
            "4", "hot product over uniform: orders service, 128 connections", 0.9, results, _hot
        ),
        _at_most("5", "one order alone, gateway: p50 in ms", 8, results, _latency("p50", 1)),
        _at_most("5", "one order alone, gateway: p99 in ms", 20, results, _latency("p99", 1)),
        _at_most("6", "at 70 % of saturation, gateway: p99 in ms", 60, results, _paced),
        _at_most("7", "slowest list or search page: p99 in ms", 20, results, _pages),
        _at_most("8", "cold start in s", 8, results, lambda r: r.cold_start_seconds),
        _at_most("8", "warm start in s", 5, results, lambda r: r.warm_start_seconds),
        _at_most(
            "8",
            "memory of the stack before the first load in MiB",
            500,
            results,
            lambda r: r.idle_memory_mib,
        ),
        _at_most(
            "8",
            "memory of the stack after the last load in MiB",
            700,
            results,
            lambda r: r.memory_mib,
        ),
        _at_most("8", "idle work of the stack in % of a core", 3, results, _idle),
    ]


def sustained_ratio(results: Results) -> float | None:
    """Return the headline figure.

    It is the orders over the seconds until all work they caused was done, divided by the ceiling of
    the same minutes.
    """
    return _turns("sustainedRatio", results)


def ceiling_ratio(results: Results) -> float | None:
    """Return the ratio of the same turns, counting the seconds of the load alone."""
    return _turns("burstRatio", results)


def _turns(figure: str, results: Results) -> float | None:
    spread = results.turns.get(figure)
    return spread.median if spread else None


def _idle(results: Results) -> float | None:
    """Return the idle work in per cent of a core: 1 % is 10 ms per second."""
    return sum(results.idle_ms.values()) / 10 if results.idle_ms else None


def _ratio(system: str, connections: int) -> Value:
    def value(results: Results) -> float | None:
        cell = results.find(name_of(system, connections))
        return cell.ratio if cell else None

    return value


def _over(peer: str) -> Value:
    return lambda results: _quotient(results, name_of(GATEWAY, 128), name_of(peer, 128))


def _hot(results: Results) -> float | None:
    return _quotient(results, name_of(SERVICE_PORT, 128, "hot"), name_of(SERVICE_PORT, 128))


def _quotient(results: Results, above: str, below: str) -> float | None:
    a, b = results.find(above), results.find(below)
    return a.orders_per_second / b.orders_per_second if a and b and b.orders_per_second else None


def _latency(which: str, connections: int) -> Value:
    def value(results: Results) -> float | None:
        cell = results.find(name_of(GATEWAY, connections))
        return getattr(cell.latency, which) if cell else None

    return value


def _paced(results: Results) -> float | None:
    return next((cell.latency.p99 for cell in results.cells if cell.cell.endswith("/paced")), None)


def _pages(results: Results) -> float | None:
    return max((page.p99 for page in results.pages), default=None)


def _at_least(number: str, what: str, wanted: float, results: Results, value: Value) -> Goal:
    measured = value(results)
    met = None if measured is None else measured >= wanted
    return Goal(number, what, f"≥ {wanted:g}", _shown(measured), met)


def _at_most(number: str, what: str, wanted: float, results: Results, value: Value) -> Goal:
    measured = value(results)
    met = None if measured is None else measured <= wanted
    return Goal(number, what, f"≤ {wanted:g}", _shown(measured), met)


def _shown(measured: float | None) -> str:
    return (
        "not measured"
        if measured is None
        else f"{measured:.2f}"
        if measured < 100
        else f"{measured:.0f}"
    )
