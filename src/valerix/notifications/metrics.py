"""Metrics of the notifications service."""

from prometheus_client import Counter, Gauge, Histogram

notifications_sent = Counter(
    "notifications_sent_total", "Attempts to send a message, by outcome", ["type", "status"]
)
queue_size = Gauge("notification_queue_size", "Messages waiting to be sent")
websocket_connections = Gauge("websocket_connections_current", "Clients connected to this replica")
email_seconds = Histogram(
    "email_send_duration_seconds",
    "Time the mail server took to accept a message, or to fail",
    buckets=(0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
