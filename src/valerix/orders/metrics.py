"""What the orders service counts; names are part of the product (see docs/metrics)."""

from prometheus_client import Counter, Gauge, Histogram

orders_created = Counter("orders_created_total", "Orders placed, by how the placing ended", ["status"])
orders_by_status = Gauge("orders_by_status", "Orders not completed yet, by status", ["status"])
order_processing_seconds = Histogram(
    "order_processing_duration_seconds",
    "From a placed order's acceptance to its answer",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
inventory_calls = Counter("inventory_calls_total", "Calls to inventory", ["status"])
