"""The paths that reach a service, the service and the path that it receives; and paths that reach
none.
"""

import pytest

from tests.gateway.front import Front
from valerix.launcher import topology

PUBLIC_PATHS = [
    (f"{prefix}/{resource}{rest}", process.name, f"/api/v1/{resource}{rest}")
    for process in topology.PUBLIC
    for resource in process.resources
    for prefix in ("/api/v1", "/api", "")
    for rest in ("", "/7", "/7/part?a=b&c=%20d")
]


@pytest.mark.parametrize(("path", "service", "canonical"), PUBLIC_PATHS)
def test_every_form_of_a_resource_reaches_its_service(
    front: Front, path: str, service: str, canonical: str
) -> None:
    seen = front.reached(path)
    assert str(seen["name"]).rsplit("-", 1)[0] == service
    assert seen["path"] == canonical


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/.well-known/jwks.json", "users"),
        ("/", "console"),
        ("/docs", "console"),
        ("/problems", "console"),
        ("/openapi.json", "console"),
        ("/asyncapi.json", "console"),
        ("/openapi/orders.json", "console"),
        ("/ws", "notifications"),
    ],
)
def test_other_public_paths_arrive_unchanged(front: Front, path: str, service: str) -> None:
    seen = front.reached(path)
    assert (seen["name"], seen["path"]) == (f"{service}-1", path)


@pytest.mark.parametrize("service", [process.name for process in topology.SERVICES])
def test_every_service_can_be_broken_and_watched_by_its_name(front: Front, service: str) -> None:
    chaos, resilience = (
        front.reached(f"/api/v1/chaos/{service}"),
        front.reached(f"/api/v1/resilience/{service}-1"),
    )
    assert (str(chaos["name"]).rsplit("-", 1)[0], chaos["path"]) == (service, "/api/v1/chaos")
    assert (resilience["name"], resilience["path"]) == (f"{service}-1", "/api/v1/resilience")


def test_each_copy_tells_of_its_own_resilience(front: Front) -> None:
    assert {front.reached("/api/v1/resilience/orders-2")["name"] for _ in range(5)} == {"orders-2"}


def test_chaos_of_all_services_is_one_path(front: Front) -> None:
    seen = front.reached("/api/v1/chaos")
    assert (seen["name"], seen["path"]) == ("console-1", "/api/v1/chaos/all")


def test_a_query_survives_every_rewriting(front: Front) -> None:
    for path in (
        "/orders",
        "/api/orders",
        "/api/v1/orders",
        "/api/v1/chaos/orders",
        "/api/v1/resilience/orders-1",
    ):
        seen = str(front.reached(f"{path}?a=%2F&b=c%20d;e")["path"])
        assert seen.replace("%3B", ";").endswith("?a=%2F&b=c%20d;e")


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/actuator/prometheus",
        "/ready",
        "/health/deep",
        "/internal/v1/reserve",
        "/api/v1/internal/v1/reserve",
        "/api/internal/v1/reserve",
        "/orders/../internal/v1/reserve",
        "/api/v1/orders/../../../metrics",
        "/orders%2f..%2finternal",
        "/ordersx",
        "/api/v1/ordersx",
        "/ORDERS",
        "/psp",
        "/api/v1/chaos/gateway",
        "/api/v1/chaos/orders/all",
        "/api/v1/chaos/",
        "/api/v1/resilience",
        "/api/v1/resilience/orders-3",
        "/api/v1/resilience/orders-1/more",
        "/chaos/orders",
        "/v1/charges",
        "/dashboard/",
        "/api/rawdata",
        "/api/v1",
        "/api/v1/",
        "/docs/",
        "/ws/7",
    ],
)
def test_nothing_else_is_reachable(front: Front, path: str) -> None:
    before = front.arrived()
    status, _, body = front.get(path)
    assert status in (400, 404), body
    assert front.arrived() == before


def test_the_gateway_itself_answers_health(front: Front) -> None:
    assert front.get("/health")[0] == 200


def test_health_is_a_document(front: Front) -> None:
    status, headers, body = front.get("/health")
    assert (status, headers["Content-Type"], body) == (200, "application/json", b'{"status":"ok"}')
