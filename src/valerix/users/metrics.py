"""The metrics of the users service, with HTTP metrics also under the names of Spring's actuator."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.registry import Collector

from valerix.chassis.http.edge import request_seconds

users_registered = Counter("users_registered_total", "Accounts created by registration")
login_attempts = Counter("login_attempts_total", "Attempted sign-ins", ["status"])
auth_validations = Counter("auth_validations_total", "Checks of whether a customer may order")
active_sessions = Gauge("active_sessions_current", "Sessions that have neither expired nor ended")
refreshes = Counter("token_refreshes_total", "Refresh tokens presented", ["status"])
tokens_issued = Counter("jwt_tokens_issued_total", "Access tokens issued")

_CHASSIS_NAME: Final = "http_request_duration_seconds"
_ACTUATOR_NAME: Final = "http_server_requests_seconds"


class _ServerRequests(Collector):
    """`http_request_duration_seconds{method,endpoint,status}` under the name of the actuator."""

    def describe(self) -> Iterable[Metric]:
        return [Metric(_ACTUATOR_NAME, "", "histogram")]

    def collect(self) -> Iterable[Metric]:
        for family in request_seconds.collect():
            renamed = Metric(_ACTUATOR_NAME, family.documentation, family.type)
            for sample in family.samples:
                labels = {
                    "uri" if name == "endpoint" else name: value
                    for name, value in sample.labels.items()
                }
                renamed.add_sample(
                    sample.name.replace(_CHASSIS_NAME, _ACTUATOR_NAME), labels, sample.value
                )
            yield renamed


ACTUATOR: Final = CollectorRegistry()
"""`http_server_requests_seconds{method,uri,status}`."""
ACTUATOR.register(_ServerRequests())
