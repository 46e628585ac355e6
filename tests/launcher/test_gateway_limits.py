"""How much the gateway lets in: per address, and for everybody together."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.launcher.test_gateway import started
from valerix.launcher import traefik
from valerix.launcher.settings import GatewaySettings
from valerix.launcher.topology import DEFAULT_PORTS, instances


def test_too_many_requests_from_one_address_are_refused() -> None:
    told = GatewaySettings(gateway_rate=123, gateway_in_flight=45, gateway_room=67)
    limits = traefik.dynamic(instances(DEFAULT_PORTS, {}), told, None)["http"]
    assert limits["middlewares"]["limit"]["rateLimit"] == {"average": 123, "burst": 123, "period": "1s"}
    assert limits["middlewares"]["open"]["inFlightReq"]["amount"] == 45
    assert limits["middlewares"]["room"]["inFlightReq"] == {"amount": 67, "sourceCriterion": {"requestHost": True}}
    for name in ("limit", "open"):
        unlimited = [one for one, router in limits["routers"].items() if name not in router.get("middlewares", [])]
        assert set(unlimited) <= {"dashboard", "health"}
    roomy = {name for name, router in limits["routers"].items() if "room" in router.get("middlewares", [])}
    assert {"orders", "orders-short"} <= roomy
    assert not any("pages" in name for name in roomy), "what stays open for hours takes no room"


def test_a_second_over_the_rate_is_answered_429(tmp_path_factory: pytest.TempPathFactory) -> None:
    with started(tmp_path_factory.mktemp("limited"), GatewaySettings(gateway_rate=5)) as front:
        statuses = {front.get("/api/v1/orders")[0] for _ in range(60)}
        assert statuses == {200, 429}


def test_one_too_many_for_a_service_is_refused_at_once_and_others_are_let_in(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("room")
    with started(folder, GatewaySettings(gateway_room=2)) as front, ThreadPoolExecutor(2) as waiting:
        orders = [backend for name, backend in front.backends.items() if name.startswith("orders-")]
        try:
            held = [waiting.submit(front.get, "/api/v1/orders?held") for _ in range(2)]
            for backend in orders:  # they take turns
                assert backend.held.acquire(timeout=30)
            assert front.get("/api/v1/orders")[0] == 429
            assert front.get("/api/v1/products")[0] == 200
        finally:
            for backend in orders:
                backend.going_on.set()
        assert [answer.result()[0] for answer in held] == [200, 200]
        assert front.get("/api/v1/orders")[0] == 200
