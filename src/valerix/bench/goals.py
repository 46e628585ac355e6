"""What the product promises of its speed, beside what was measured."""

from collections.abc import Callable
from typing import Final

from valerix.bench.results import CLASSIC, DOOR, GATEWAY, TUNED, Goal, Results, name_of

SATURATION_SHARE: Final = 0.7
Value = Callable[[Results], float | None]


def judge(results: Results) -> list[Goal]:
    """Every goal a benchmark of one machine can measure; those it did not are said to be open."""
    return [
        _at_least(
            "1", "orders/s over the ceiling, through the gateway, 128 connections", 1.0, results, _ratio(GATEWAY, 128)
        ),
        _at_least(
            "1", "orders/s over the ceiling, at the orders service, 128 connections", 1.5, results, _ratio(DOOR, 128)
        ),
        _at_least(
            "1", "orders/s over the ceiling, at the orders service, 32 connections", 0.8, results, _ratio(DOOR, 32)
        ),
        _at_least("2", "times Node classic, through the gateway, 128 connections", 5.0, results, _over(CLASSIC)),
        _at_least("2", "times Node tuned, through the gateway, 128 connections", 1.5, results, _over(TUNED)),
        _at_least("3", "hot product over uniform, at the orders service, 128 connections", 0.9, results, _hot),
        _at_most("4", "one order alone, through the gateway: p50 in ms", 8, results, _latency("p50", 1)),
        _at_most("4", "one order alone, through the gateway: p99 in ms", 20, results, _latency("p99", 1)),
        _at_most("5", "at 70 % of saturation: p99 in ms", 60, results, _paced),
        _at_most("6", "slowest list or search page: p99 in ms", 20, results, _pages),
        _at_most("7", "cold start in s", 12, results, lambda r: r.cold_start_seconds),
        _at_most("7", "warm start in s", 6, results, lambda r: r.warm_start_seconds),
        _at_most("7", "memory of the whole stack in MiB", 700, results, lambda r: r.memory_mib),
    ]


def ceiling_ratio(results: Results) -> float | None:
    """The headline: through the gateway, 128 connections, over the ceiling of the same run."""
    return _ratio(GATEWAY, 128)(results)


def _ratio(system: str, connections: int) -> Value:
    def value(results: Results) -> float | None:
        cell = results.find(name_of(system, connections))
        return cell.ratio if cell else None

    return value


def _over(peer: str) -> Value:
    return lambda results: _quotient(results, name_of(GATEWAY, 128), name_of(peer, 128))


def _hot(results: Results) -> float | None:
    return _quotient(results, name_of(DOOR, 128, "hot"), name_of(DOOR, 128))


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
    return "not measured" if measured is None else f"{measured:.2f}" if measured < 100 else f"{measured:.0f}"
