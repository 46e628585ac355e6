"""The callers that each route admits, one line per route, with a request that succeeds.

A route that is missing from this module fails `tests/matrix/test_authorization_matrix.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.matrix import objects
from tests.matrix.callers import (
    ADMIN,
    MERCHANT,
    OPERATOR,
    OTHER,
    OWNER,
    PAGE,
    SERVICES,
    UNAUTHENTICATED,
)
from tests.matrix.objects import PASSWORD, Make, number
from tests.matrix.world import Values
from tests.support.stack import PRICE
from valerix.chassis.http.route_table import SOCKET
from valerix.contracts import commands
from valerix.contracts.acts import LIST_ACTS, RECORD_ACT
from valerix.contracts.ids import new_id
from valerix.contracts.revocations import LIST_REVOKED

ALL = frozenset({OWNER, OTHER, OPERATOR, ADMIN, MERCHANT, UNAUTHENTICATED, PAGE}) | SERVICES
PEOPLE = frozenset({OWNER, OTHER, OPERATOR, ADMIN})
STAFF = frozenset({OPERATOR, ADMIN})


@dataclass(frozen=True)
class Rule:
    """`passes`: admitted kinds of caller. `hidden`: kinds for which the object must seem not to
    exist (404). Every other caller gets 401 without a valid token, else 403.
    """

    passes: frozenset[str]
    hidden: frozenset[str] = frozenset()
    body: Callable[[Values], object] | None = None
    make: Make | None = None
    ends_session: bool = False
    """The call ends the caller's session: each call needs a new session."""
    opens_sessions: bool = False
    """Each call opens another session of the owner, whose oldest sessions then end."""
    routed: bool = True
    """Whether the gateway routes the path."""
    at_gateway: str = ""
    """The path at the gateway, if it differs."""


# --- bodies


def _charge(values: Values) -> object:
    """Returns the body of a charge, as the order has paid it."""
    return {
        "orderId": values["order_id"],
        "customerId": values["customer_id"],
        "amount": {"amountMinor": PRICE, "currency": "USD"},
        "method": "card_ok",
    }


def _product(_: Values) -> dict[str, object]:
    return {"name": "Test", "price": {"amountMinor": 100, "currency": "USD"}}


def _provider_charge(_: Values) -> object:
    return {"reference": new_id(), "amountMinor": 100, "currency": "USD", "method": "card_ok"}


def _line(values: Values) -> object:
    return {"productId": values["plenty"], "quantity": 1}


def _act(_: Values) -> object:
    return {
        "id": new_id(),
        "service": "psp",
        "act": "tested",
        "subject": "psp",
        "what": {},
        "address": "192.0.2.1",
    }


ADDRESS = {"name": "A", "street": "B 1", "city": "C", "postalCode": "1", "country": "DE"}

# --- the table

INSIDE = Rule(ALL, routed=False)
CHAOS, ALL_CHAOS, RESILIENCE = "/api/v1/chaos", "/api/v1/chaos/all", "/api/v1/resilience"
HARMLESS = {"kind": "gremlin", "every": 1_000_000, "delayMs": 1, "durationSeconds": 1}
OF_ONE = Rule(frozenset({ADMIN}), at_gateway=CHAOS + "/{service}")
OF_ALL = Rule(frozenset({ADMIN}), routed=False)
EVERY_SERVICE: dict[tuple[str, str], Rule] = {
    ("GET", "/health"): INSIDE,
    ("GET", "/health/deep"): INSIDE,
    ("GET", "/ready"): INSIDE,
    ("GET", "/metrics"): INSIDE,
    ("GET", "/openapi.json"): INSIDE,
    ("GET", "/internal/v1/routes"): OF_ALL,
    ("GET", CHAOS): OF_ONE,
    ("PUT", CHAOS): replace(OF_ONE, body=lambda _: HARMLESS),
    ("DELETE", CHAOS): OF_ONE,
    ("GET", ALL_CHAOS): OF_ALL,
    ("DELETE", ALL_CHAOS): OF_ALL,
    ("GET", RESILIENCE): Rule(STAFF, at_gateway=RESILIENCE + "/{service}"),
}
EVENTS = {("GET", "/asyncapi.json"): INSIDE}


def _called_by(
    services: set[str], path: str, what: str, value: object = ()
) -> dict[tuple[str, str], Rule]:
    return {("POST", path): Rule(frozenset(services), body=lambda _: {what: value}, routed=False)}


def _dead_letters(resource: str) -> dict[tuple[str, str], Rule]:
    path = f"/api/v1/{resource}/dead-letters"
    return {
        ("GET", path): Rule(STAFF),
        ("GET", path + "/{letter_id}"): Rule(STAFF),
        ("POST", path + "/{letter_id}/replay"): Rule(STAFF),
    }


OWN_OR_STAFF = Rule(PEOPLE - {OTHER}, hidden=frozenset({OTHER}))
OWN_OR_ADMIN = Rule(frozenset({OWNER, ADMIN}), hidden=frozenset({OTHER, OPERATOR}))


def _own_order(make: Make | None = None, body: Callable[[Values], object] | None = None) -> Rule:
    return Rule(OWN_OR_STAFF.passes, OWN_OR_STAFF.hidden, make=make, body=body)


EXPECTED: dict[str, dict[tuple[str, str], Rule]] = {
    "orders": {
        ("POST", "/api/v1/orders"): Rule(
            PEOPLE - {OTHER}, body=lambda v: {"customerId": v["customer_id"], "items": [_line(v)]}
        ),
        ("GET", "/api/v1/orders"): Rule(PEOPLE),
        ("GET", "/api/v1/orders/{order_id}"): _own_order(),
        ("GET", "/api/v1/orders/{order_id}/events"): _own_order(),
        ("PUT", "/api/v1/orders/{order_id}"): _own_order(
            body=lambda _: {"shippingAddress": ADDRESS}
        ),
        ("POST", "/api/v1/orders/{order_id}/retry"): _own_order(objects.held_order),
        ("DELETE", "/api/v1/orders/{order_id}"): _own_order(objects.new_order),
        **_called_by({"inventory", "payments"}, commands.DESCRIBE_ORDERS, "orderIds"),
        **_called_by({"payments"}, commands.FIND_ORDERS, "search", "769c3417a559"),
        **_called_by({"payments"}, commands.NOTE_REFUNDS, "commands"),
        **_dead_letters("orders"),
        **_called_by({"orders"}, LIST_ACTS, "subjects"),
        **EVENTS,
    },
    "worker": {},
    "inventory": {
        ("GET", "/api/v1/inventory"): Rule(PEOPLE),
        ("GET", "/api/v1/inventory/alerts"): Rule(STAFF),
        ("GET", "/api/v1/inventory/{sku}"): Rule(PEOPLE),
        ("GET", "/api/v1/inventory/{sku}/movements"): Rule(STAFF),
        ("POST", "/api/v1/inventory/reserve"): Rule(
            STAFF,
            body=lambda v: {
                "orderId": v["order_id"],
                "items": [{"productId": v["held"], "quantity": 2}],
            },
            make=objects.held_order,
        ),
        ("POST", "/api/v1/inventory/release"): Rule(
            STAFF, body=lambda v: {"orderId": v["order_id"]}, make=objects.cancelled_order
        ),
        ("POST", "/api/v1/inventory/commit"): Rule(
            STAFF, body=lambda v: {"orderId": v["order_id"]}, make=objects.packed_order
        ),
        ("POST", "/api/v1/inventory/adjust"): Rule(
            STAFF,
            body=lambda v: {
                "productId": v["plenty"],
                "warehouseId": "WH-EAST",
                "delta": 1,
                "reason": "found",
            },
        ),
        ("POST", "/api/v1/inventory/update"): Rule(
            STAFF,
            body=lambda v: {"productId": v["plenty"], "quantity": 1, "idempotencyKey": new_id()},
        ),
        ("GET", "/api/v1/products"): Rule(ALL),
        ("POST", "/api/v1/products"): Rule(
            STAFF, body=lambda v: _product(v) | {"productId": f"MATRIX-N-{number()}"}
        ),
        ("GET", "/api/v1/products/{sku}"): Rule(ALL),
        ("PUT", "/api/v1/products/{sku}"): Rule(STAFF, body=_product),
        ("DELETE", "/api/v1/products/{sku}"): Rule(STAFF, make=objects.own_product),
        ("GET", "/api/v1/warehouses"): Rule(PEOPLE),
        ("GET", "/api/v1/warehouses/{warehouse_id}"): Rule(PEOPLE),
        ("POST", "/api/v1/warehouses"): Rule(
            STAFF,
            body=lambda _: {"warehouseId": f"MATRIX-{number()}", "name": "Test", "priority": 9000},
        ),
        **_called_by({"orders"}, commands.RESERVE_STOCK, "commands"),
        **_called_by({"orders"}, commands.RELEASE_STOCK, "orderIds"),
        **_called_by({"orders"}, commands.COMMIT_STOCK, "orderIds"),
        **_called_by({"orders"}, commands.PRICE_PRODUCTS, "productIds"),
        **_called_by({"orders"}, commands.FIND_PRODUCTS, "names"),
        **_dead_letters("inventory"),
        **_called_by({"orders"}, LIST_ACTS, "subjects"),
        **EVENTS,
    },
    "payments": {
        ("POST", "/api/v1/payments"): Rule(STAFF, body=_charge),
        ("GET", "/api/v1/payments"): Rule(STAFF),
        ("GET", "/api/v1/payments/{payment_id}"): OWN_OR_STAFF,
        ("GET", "/api/v1/payments/order/{order_id}"): OWN_OR_STAFF,
        ("GET", "/api/v1/payments/{payment_id}/refunds"): OWN_OR_STAFF,
        ("GET", "/api/v1/payments/{payment_id}/events"): OWN_OR_STAFF,
        ("POST", "/api/v1/payments/{payment_id}/refund"): Rule(
            STAFF, body=lambda _: {"amountMinor": 1}
        ),
        **_called_by({"orders"}, commands.CAPTURE_PAYMENTS, "commands"),
        **_called_by({"orders"}, commands.VOID_PAYMENTS, "commands"),
        **_called_by({"orders"}, LIST_ACTS, "subjects"),
        **EVENTS,
    },
    "users": {
        ("POST", "/api/v1/users/register"): Rule(
            ALL,
            body=lambda _: {
                "name": "Matrix",
                "email": f"matrix-{new_id()}@example.com",
                "password": PASSWORD,
            },
        ),
        ("POST", "/api/v1/users/login"): Rule(
            ALL,
            body=lambda v: {"email": v["email"], "password": v["password"]},
            opens_sessions=True,
        ),
        ("GET", "/api/v1/users/me"): Rule(PEOPLE),
        ("GET", "/api/v1/users"): Rule(frozenset({ADMIN})),
        ("GET", "/api/v1/users/{user_id}"): OWN_OR_ADMIN,
        ("PUT", "/api/v1/users/{user_id}"): Rule(
            OWN_OR_ADMIN.passes,
            OWN_OR_ADMIN.hidden,
            body=lambda v: {"name": "Ada Lovelace", "email": v["email"]},
        ),
        ("PUT", "/api/v1/users/{user_id}/status"): Rule(
            frozenset({ADMIN}), body=lambda _: {"status": "suspended"}, make=objects.new_user
        ),
        ("PUT", "/api/v1/users/{user_id}/role"): Rule(
            frozenset({ADMIN}), body=lambda _: {"role": "operator"}, make=objects.new_user
        ),
        ("GET", "/api/v1/users/audit"): Rule(frozenset({ADMIN})),
        ("POST", "/api/v1/users/refresh"): Rule(
            ALL,
            body=lambda v: {"refreshToken": v["refresh_token"]},
            make=objects.own_session,
            opens_sessions=True,
        ),
        ("POST", "/api/v1/users/password/forgot"): Rule(
            ALL, body=lambda _: {"email": "nobody@example.com"}
        ),
        ("POST", "/api/v1/users/password/reset"): Rule(
            ALL,
            body=lambda v: {"token": v["mail_token"], "newPassword": PASSWORD},
            make=objects.resetting,
        ),
        ("POST", "/api/v1/users/email/confirm"): Rule(
            ALL, body=lambda v: {"token": v["mail_token"]}, make=objects.confirming
        ),
        ("POST", "/api/v1/users/me/email/confirmation"): Rule(PEOPLE),
        ("POST", "/api/v1/users/logout"): Rule(PEOPLE, ends_session=True),
        ("GET", "/api/v1/users/me/sessions"): Rule(PEOPLE),
        ("DELETE", "/api/v1/users/me/sessions"): Rule(PEOPLE),
        ("DELETE", "/api/v1/users/me/sessions/{session_id}"): Rule(
            frozenset({OWNER}),
            hidden=PEOPLE - {OWNER},
            make=objects.own_session,
            opens_sessions=True,
        ),
        ("PUT", "/api/v1/users/me/password"): Rule(
            PEOPLE, body=lambda v: {"currentPassword": v["password"], "newPassword": v["password"]}
        ),
        ("GET", "/api/v1/users/{user_id}/sessions"): Rule(frozenset({ADMIN})),
        ("DELETE", "/api/v1/users/{user_id}/sessions"): Rule(
            frozenset({ADMIN}), make=objects.new_user
        ),
        ("DELETE", "/api/v1/users/{user_id}/sessions/{session_id}"): Rule(
            frozenset({ADMIN}), make=objects.new_user
        ),
        ("POST", LIST_REVOKED): Rule(SERVICES, body=lambda _: {"since": 0}, routed=False),
        ("GET", "/api/v1/customers/{customer_id}"): OWN_OR_STAFF,
        ("GET", "/api/v1/customers/{customer_id}/validate"): OWN_OR_STAFF,
        ("GET", "/.well-known/jwks.json"): Rule(ALL),
        ("GET", "/actuator/prometheus"): INSIDE,
        **_called_by({"orders"}, commands.CHECK_CUSTOMERS, "customerIds"),
        **_called_by({"orders"}, commands.FIND_CUSTOMERS, "search", "ada"),
        ("POST", RECORD_ACT): Rule(frozenset({ADMIN}), body=_act, routed=False),
        **_dead_letters("users"),
        **EVENTS,
    },
    "notifications": {
        ("POST", "/api/v1/notifications/send"): Rule(
            STAFF,
            body=lambda v: {"customerId": v["customer_id"], "subject": "Hello", "body": "Hello"},
        ),
        ("GET", "/api/v1/notifications"): Rule(PEOPLE),
        ("GET", "/api/v1/notifications/{notification_id}"): OWN_OR_STAFF,
        **EVENTS,
        (SOCKET, "/ws"): Rule(PEOPLE),
        **_dead_letters("notifications"),
        **_called_by({"orders"}, LIST_ACTS, "subjects"),
    },
    "console": {
        ("GET", ALL_CHAOS): replace(OF_ALL, routed=True, at_gateway=CHAOS),
        ("DELETE", ALL_CHAOS): replace(OF_ALL, routed=True, at_gateway=CHAOS),
        ("GET", "/console"): Rule(ALL),
        ("GET", "/console/{rest}"): Rule(ALL),
        ("GET", "/console/api/config"): Rule(ALL),
        ("GET", "/console/api/history"): Rule(STAFF),
        ("GET", "/console/api/logs"): Rule(STAFF),
        (SOCKET, "/console/api/feed"): Rule(STAFF),
        ("GET", "/"): Rule(ALL),
        ("GET", "/docs"): Rule(ALL),
        ("GET", "/problems"): Rule(ALL),
        ("GET", "/static/*"): Rule(ALL),
        ("GET", "/openapi.json"): Rule(ALL),
        ("GET", "/asyncapi.json"): Rule(ALL),
        ("GET", "/openapi/*"): Rule(ALL),
    },
    "psp": {
        ("POST", "/v1/charges"): Rule(frozenset({MERCHANT}), body=_provider_charge, routed=False),
        ("POST", "/v1/charges/cancel"): Rule(
            frozenset({MERCHANT}), body=lambda _: {"reference": new_id()}, routed=False
        ),
        ("POST", "/v1/charges/find"): Rule(
            frozenset({MERCHANT}), body=lambda _: {"references": [new_id()]}, routed=False
        ),
        ("POST", "/v1/refunds"): Rule(
            frozenset({MERCHANT}),
            body=lambda v: {
                "reference": new_id(),
                "chargeReference": v["charge"],
                "amountMinor": 1,
            },
            routed=False,
        ),
        ("GET", "/v1/ledger"): Rule(frozenset({MERCHANT}), routed=False),
        ("GET", "/internal/v1/chaos"): Rule(frozenset({"console"}), routed=False),
    },
}
RULES = {
    (service, method, path): rule
    for service, own in EXPECTED.items()
    for (method, path), rule in (EVERY_SERVICE | own).items()
}
