"""What the inventory service counts."""

from collections import Counter as Count
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from valerix.contracts.commands import (
    ProductsUnknown,
    ReservationEnded,
    ReservationState,
    ReserveOutcome,
    StockReserved,
    StockShort,
)

updates = Counter("inventory_updates_total", "Stock movements written", ["kind"])
reservations = Counter("inventory_reservations_total", "What reserve, release and commit came to", ["outcome"])
operation_seconds = Histogram(
    "inventory_operations_duration_seconds",
    "Time in the database; of reserve, release and commit, per batch",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
stock_level = Gauge("inventory_stock_level", "Units available", ["sku", "warehouse"])
low_stock_items = Gauge("inventory_low_stock_items", "Active products at or under their threshold")

_NAMES = {
    StockReserved: "reserved",
    StockShort: "insufficient_stock",
    ProductsUnknown: "unknown_product",
    ReservationEnded: "ended",
}


def count_movements(kinds: Iterable[str]) -> None:
    for kind, count in Count(kinds).items():
        updates.labels(kind).inc(count)


def count_outcomes(outcomes: Iterable[ReserveOutcome | ReservationState]) -> None:
    for name, count in Count(map(_name, outcomes)).items():
        reservations.labels(name).inc(count)


def _name(outcome: ReserveOutcome | ReservationState) -> str:
    if isinstance(outcome, StockReserved | ReservationState) and outcome.idempotent:
        return "repeated"
    return outcome.state if isinstance(outcome, ReservationState) else _NAMES[type(outcome)]
