"""The metrics of the payments service."""

from prometheus_client import Counter, Histogram

payments_processed = Counter(
    "payments_processed_total", "Payments that reached a definite state", ["status", "method"]
)
payment_amount = Counter("payment_amount_total", "Captured money in minor units", ["currency"])
refunds_processed = Counter("refunds_processed_total", "Refunds the provider has made")
gateway_latency = Histogram(
    "payment_gateway_latency_seconds",
    "Time the payment provider took to answer, or to fail",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
