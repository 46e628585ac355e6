"""Metrics and dashboard: accessible from this machine only."""

import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.front import Front
from tests.support.eventually import until_blocking
from valerix.launcher.settings import GatewayName

SERVERS_UP = {
    GatewayName.HAPROXY: "haproxy_server_status",
    GatewayName.TRAEFIK: "traefik_service_server_up",
}


def test_metrics_and_dashboard_are_on_loopback_only(front: Front) -> None:
    assert front.own("/metrics")
    assert b"<html" in front.own("/dashboard/").lower()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", front.listening.metrics_port), 10)


def test_metrics_tell_which_copies_are_reached(front: Front) -> None:
    def copies() -> int:
        families = text_string_to_metric_families(front.own("/metrics").decode())
        return sum(
            len(family.samples) for family in families if family.name == SERVERS_UP[front.name]
        )

    until_blocking(lambda: copies() >= len(front.services), "each copy has been checked")


def test_its_own_health_is_on_loopback_too(front: Front) -> None:
    assert front.own("/health")
