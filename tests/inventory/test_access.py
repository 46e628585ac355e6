"""Access to inventory: every route, called with every role."""

import pytest

from tests.support.api import Api
from tests.support.identities import Identities
from valerix.contracts.commands import COMMIT_STOCK, RELEASE_STOCK, RESERVE_STOCK

PUBLIC = {"nobody", "customer", "operator", "admin", "orders", "console"}
READERS = {"customer", "operator", "admin"}
STAFF = {"operator", "admin"}
ROUTES = [
    ("GET", "/api/v1/inventory", READERS),
    ("GET", "/api/v1/inventory/PROD-001", READERS),
    ("GET", "/api/v1/inventory/PROD-001/movements", STAFF),
    ("GET", "/api/v1/inventory/alerts", STAFF),
    ("POST", "/api/v1/inventory/reserve", STAFF),
    ("POST", "/api/v1/inventory/release", STAFF),
    ("POST", "/api/v1/inventory/commit", STAFF),
    ("POST", "/api/v1/inventory/adjust", STAFF),
    ("POST", "/api/v1/inventory/update", STAFF),
    ("GET", "/api/v1/products", PUBLIC),
    ("POST", "/api/v1/products", STAFF),
    ("GET", "/api/v1/products/PROD-001", PUBLIC),
    ("PUT", "/api/v1/products/PROD-001", STAFF),
    ("DELETE", "/api/v1/products/NOT-THERE", STAFF),
    ("GET", "/api/v1/warehouses", READERS),
    ("POST", "/api/v1/warehouses", STAFF),
    ("POST", RESERVE_STOCK, {"orders"}),
    ("POST", RELEASE_STOCK, {"orders"}),
    ("POST", COMMIT_STOCK, {"orders"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_each_route_is_open_to_its_roles_alone(
    api: Api, identities: Identities, method: str, path: str, allowed: set[str]
) -> None:
    tokens = {role: identities.person(role) for role in READERS}
    tokens |= {name: identities.service(name, "inventory") for name in ("orders", "console")}
    for role in PUBLIC:
        # An admitted caller gets a refusal of the empty body: no route changes anything here.
        body = b"[]" if method in ("POST", "PUT") else None
        status = (await api.call(method, path, body, token=tokens.get(role, "none"))).status
        if role in allowed:
            assert status in (200, 400, 404), (role, status)
        else:
            assert status == (401 if role == "nobody" else 403), (role, status)


async def test_a_token_for_another_service_is_refused(api: Api, identities: Identities) -> None:
    answer = await api.post(
        RESERVE_STOCK, {"commands": []}, token=identities.service("orders", "payments")
    )
    assert answer.status == 401


async def test_the_openapi_document_describes_every_public_route(api: Api) -> None:
    paths = (await api.get("/openapi.json")).json["paths"]
    described = {
        (method.upper(), path) for path, operations in paths.items() for method in operations
    }
    wanted = {
        (m, p.replace("PROD-001", "{sku}").replace("NOT-THERE", "{sku}")) for m, p, _ in ROUTES[:-3]
    }
    assert wanted <= described
