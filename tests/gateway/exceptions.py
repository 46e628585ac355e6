"""What a gateway cannot do, each by name. The test must still fail: one that passes is to be taken out here."""

from collections.abc import Mapping
from typing import Final

from valerix.launcher.settings import GatewayName

EXCEPTIONS: Final[Mapping[tuple[GatewayName, str], str]] = {
    (GatewayName.TRAEFIK, "test_health_is_a_document"): "its own answer is the word OK",
    **{
        (GatewayName.TRAEFIK, f"test_a_missing_or_malformed_trace_context_is_replaced[{sent}]"): (
            "only its tracing reads trace context, and that needs a collector"
        )
        for sent in (
            *("missing", "empty", "short", "upper case", "no trace", "no parent", "version", "long", "quotes"),
            "twice",
        )
    },
    (GatewayName.TRAEFIK, "test_length_and_chunks_together_are_one_request_at_most"): (
        "reads it by its chunks, as it should, and keeps the connection, as it should not"
    ),
    (GatewayName.TRAEFIK, "test_requests_of_an_address_count_together_whatever_they_are_for"): (
        "counts per service, and per kind of page: a middleware's numbers are those of one router"
    ),
}
"""By gateway and test, or test and parameters."""
