"""The metrics of the inventory service."""

from collections import Counter as Count
from collections.abc import Iterable

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from valerix.contracts.commands import (
    ProductsUnknown,
    ReservationEnded,
    ReservationState,
    ReserveOutcome,
    StockReserved,
    StockShort,
)

updates = Counter("inventory_updates_total", "Stock movements written", ["kind"])
reservations = Counter(
    "inventory_reservations_total", "Outcomes of reserve, release and commit", ["outcome"]
)
operation_seconds = Histogram(
    "inventory_operations_duration_seconds",
    "Time in the database; of reserve, release and commit, per batch",
    ["operation"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
low_stock_items = Gauge("inventory_low_stock_items", "Active products at or under their threshold")

_NAMES = {
    StockReserved: "reserved",
    StockShort: "insufficient_stock",
    ProductsUnknown: "unknown_product",
    ReservationEnded: "ended",
}


class StockLevels(Collector):
    """One sample per stock row, as last read.

    A Gauge would collect its children anew for each scrape.
    """

    def __init__(self) -> None:
        self.read([])

    def read(self, levels: Iterable[tuple[str, str, int]]) -> None:
        """Replace the samples. `levels`: (sku, warehouse, available)."""
        self._family = GaugeMetricFamily(
            "inventory_stock_level", "Units available", labels=["sku", "warehouse"]
        )
        for sku, warehouse_id, available in levels:
            self._family.add_metric([sku, warehouse_id], available)

    def collect(self) -> list[GaugeMetricFamily]:
        return [self._family]


stock_levels = StockLevels()
REGISTRY.register(stock_levels)


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
