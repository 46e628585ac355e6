"""The metrics of the orders service; names are part of the product (see docs/metrics)."""

import math

from prometheus_client import Counter, Gauge, Histogram

from valerix.chassis.base import timeouts
from valerix.chassis.base.rolling import RollingSums

orders_created = Counter(
    "orders_created_total", "Orders placed, by how the placing ended", ["status"]
)
orders_by_status = Gauge("orders_by_status", "Orders not completed yet, by status", ["status"])
order_processing_seconds = Histogram(
    "order_processing_duration_seconds",
    "From a placed order's acceptance to its answer",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
inventory_calls = Counter("inventory_calls_total", "Calls to inventory", ["status"])
responses = RollingSums(timeouts.DEFAULT.answer_window_seconds, steps=30)
"""Seconds from the request to the answer of placed orders."""
responses_average = Gauge(
    "orders_response_seconds_avg_30s", "Average answer to a placed order, last 30 s; NaN: none"
)
responses_average.set_function(lambda: math.nan if (mean := responses.mean()) is None else mean)
OUTCOMES = frozenset({200, 201, 202, 402, 409, 422})


def answered(status: int, seconds: float) -> None:
    """Record the answer to a placed order; malformed and shed requests are not counted."""
    if status in OUTCOMES:
        responses.add(seconds)
