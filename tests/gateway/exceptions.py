"""Tests that a gateway cannot pass, by name. Each must still fail: remove the entry of a test that
passes.
"""

from collections.abc import Mapping
from typing import Final

from valerix.launcher.settings import GatewayName

BEFORE: Final = "refuses it before it selects a route, and so without the route's headers"
EXCEPTIONS: Final[Mapping[tuple[GatewayName, str], str]] = {
    (GatewayName.TRAEFIK, "test_health_is_a_document"): "its answer is the word OK",
    **{
        (GatewayName.TRAEFIK, f"test_a_missing_or_malformed_trace_context_is_replaced[{sent}]"): (
            "only its tracing reads trace context, and that needs a collector"
        )
        for sent in (
            *(
                "missing",
                "empty",
                "short",
                "upper case",
                "no trace",
                "no parent",
                "version",
                "long",
                "quotes",
            ),
            "twice",
        )
    },
    (
        GatewayName.TRAEFIK,
        "test_a_malformed_chunk_is_refused_or_ends_the_connection",
    ): "answers 500 or 499",
    (
        GatewayName.TRAEFIK,
        "test_a_line_of_a_chunk_that_ends_without_cr_is_refused_or_read_one_way",
    ): "answers 500",
    (GatewayName.TRAEFIK, "test_length_and_chunks_together_are_one_request_at_most"): (
        "reads it by its chunks, as required, but keeps the connection, which is forbidden"
    ),
    (GatewayName.TRAEFIK, "test_requests_of_an_address_count_together_whatever_they_are_for"): (
        "counts per service, and per kind of page: a middleware counts for one router"
    ),
    (
        GatewayName.TRAEFIK,
        "test_too_many_bodies_of_an_address_on_their_way_are_refused_at_once",
    ): "does not count them",
    (
        GatewayName.TRAEFIK,
        "test_too_many_connections_of_an_address_are_closed",
    ): "does not count them",
    (GatewayName.TRAEFIK, "test_nor_does_it_on_a_connection_that_was_used_before[GET]"): (
        "Go repeats safe requests when a kept connection ends without an answer"
    ),
    (
        GatewayName.TRAEFIK,
        "test_what_exists_is_found_from_the_first_answer_on",
    ): "listens before it has read its routes",
    (
        GatewayName.TRAEFIK,
        "test_a_configuration_that_cannot_be_used_changes_nothing",
    ): "accepts any number as a port",
    (
        GatewayName.TRAEFIK,
        "test_an_error_of_its_own_is_a_problem_document",
    ): "answers with plain text only",
    (
        GatewayName.TRAEFIK,
        "test_an_error_of_its_own_has_the_trace_of_its_request",
    ): "answers with plain text only",
    (GatewayName.HAPROXY, "test_its_sender_is_answered_502"): (
        "closes the client's connection if both connections were used before,"
        " as RFC 9112 (9.3.1) permits"
    ),
    (
        GatewayName.TRAEFIK,
        "test_an_error_of_its_own_has_the_security_headers[encoded slash]",
    ): BEFORE,
    (
        GatewayName.TRAEFIK,
        "test_an_error_of_its_own_has_the_security_headers[large headers]",
    ): BEFORE,
    **{
        (
            GatewayName.TRAEFIK,
            f"test_retry_after_is_said_where_waiting_helps[{name}]",
        ): "cannot add the header to an error"
        for name in ("too many open", "too many for a service", "no copy")
    },
}
"""Reasons by gateway and test, or test and parameters."""
