"""What the users service counts, and its metrics under the names of Spring's actuator."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Metric, generate_latest
from prometheus_client.registry import Collector

from valerix.chassis.http.edge import request_seconds

users_registered = Counter("users_registered_total", "Accounts made by registration")
login_attempts = Counter("login_attempts_total", "Sign-ins tried", ["status"])
auth_validations = Counter("auth_validations_total", "Customers checked for whether they may order")
active_sessions = Gauge("active_sessions_current", "Sessions that are neither over nor ended")
refreshes = Counter("token_refreshes_total", "Refresh tokens presented", ["status"])
tokens_issued = Counter("jwt_tokens_issued_total", "Access tokens issued")

_OURS: Final = "http_request_duration_seconds"
_ACTUATORS: Final = "http_server_requests_seconds"


class _ServerRequests(Collector):
    """`http_request_duration_seconds{method,endpoint,status}` under its other name."""

    def collect(self) -> Iterable[Metric]:
        for family in request_seconds.collect():
            renamed = Metric(_ACTUATORS, family.documentation, family.type)
            for sample in family.samples:
                labels = {"uri" if name == "endpoint" else name: value for name, value in sample.labels.items()}
                renamed.add_sample(sample.name.replace(_OURS, _ACTUATORS), labels, sample.value)
            yield renamed


_actuator = CollectorRegistry()
_actuator.register(_ServerRequests())


def actuator_text() -> bytes:
    """Everything `/metrics` says, and `http_server_requests_seconds{method,uri,status}`."""
    return generate_latest(REGISTRY) + generate_latest(_actuator)
