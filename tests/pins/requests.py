"""The fixed requests to each observed process, with traces that are recorded."""

from typing import Any, Final, NamedTuple

from tests.pins.answers import AWAY, CHARGING, ENDED, ID, SHORT, UNKNOWN

KEY: Final = {"idempotency-key": "a key"}
MESSAGE: Final = {"customerId": "CUST-001", "subject": "Hello", "body": "Hello"}
LONG: Final = "a phrase that is long enough"
ADDRESS: Final = {"name": "Ada", "street": "1 High Street", "city": "London", "country": "GB"}
FAULT: Final = {"kind": "errors", "fraction": 1.0, "path": "/nowhere", "durationSeconds": 3600}


class Asked(NamedTuple):
    """One request. `by`: `admin`, `cookie`, `service`, `merchant`; empty for a request without a
    token.
    """

    name: str
    method: str
    path: str
    body: Any = None
    by: str = "admin"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def _order(
    name: str, product: str = "PROD-001", customer: str = "CUST-001", method: str = "card_ok"
) -> Asked:
    body = {
        "customerId": customer,
        "items": [{"productId": product, "quantity": 1}],
        "paymentMethod": method,
    }
    return Asked(name, "POST", "/api/v1/orders", body, headers=KEY if name == "order" else {})


def _rejected(asked: Asked) -> Asked:
    return asked._replace(body=asked.body | {"onShortage": "reject"})


INJECT: Final = Asked("inject", "PUT", "/api/v1/chaos", FAULT)
STRIKE: Final = Asked("strike", "GET", "/nowhere")
OF: Final[dict[str, list[Asked]]] = {
    "orders": [
        _order("order"),
        _order("customers away", customer=AWAY),
        _order("customer unknown", customer=UNKNOWN),
        _order("customer suspended", customer=SHORT),
        _order("stock away", AWAY),
        _order("stock short, held", SHORT),
        _rejected(_order("stock short, rejected", SHORT)),
        _order("product unknown", UNKNOWN),
        _order("reservation ended", ENDED),
        _order("payments away", method="card_timeout"),
        _order("payment declined", method="card_declined"),
        _order("payment voided", method="card_expired"),
        _order("provider silent", method="card_flaky"),
        Asked("retry", "POST", f"/api/v1/orders/{ID}/retry"),
        Asked("cancel", "DELETE", f"/api/v1/orders/{ID}"),
        Asked("change", "PUT", f"/api/v1/orders/{ID}", {"shippingAddress": ADDRESS}),
    ],
    "inventory": [
        Asked(
            "reserve",
            "POST",
            "/api/v1/inventory/reserve",
            {"orderId": "ORDER-9", "items": [{"productId": "PROD-001", "quantity": 1}]},
        ),
        Asked(
            "adjust",
            "POST",
            "/api/v1/inventory/adjust",
            {
                "productId": "PROD-001",
                "warehouseId": "WH-EAST",
                "delta": 1,
                "reason": "found",
                "idempotencyKey": "a key",
            },
        ),
        Asked(
            "update",
            "POST",
            "/api/v1/inventory/update",
            {
                "productId": "PROD-001",
                "quantity": 1,
                "orderId": "ORDER-1",
                "idempotencyKey": "a key",
            },
        ),
    ],
    "payments": [
        Asked(
            "capture",
            "POST",
            "/api/v1/payments",
            {
                "orderId": ID,
                "customerId": "CUST-001",
                "amount": {"amountMinor": 500, "currency": "USD"},
                "method": "card_ok",
            },
            headers=KEY,
        ),
        Asked("refund", "POST", f"/api/v1/payments/{ID}/refund", {"reason": "broken"}, headers=KEY),
        Asked(
            "void",
            "POST",
            "/internal/v1/payments/void",
            {"commands": [{"orderId": "ORDER-2", "reason": "cancelled"}]},
            by="service",
        ),
        Asked(
            "void under way",
            "POST",
            "/internal/v1/payments/void",
            {"commands": [{"orderId": CHARGING, "reason": "cancelled"}]},
            by="service",
        ),
    ],
    "users": [
        Asked(
            "login",
            "POST",
            "/api/v1/users/login",
            {"email": "ada@shop.example", "password": LONG},
            by="",
        ),
        Asked(
            "register",
            "POST",
            "/api/v1/users/register",
            {"name": "Ada", "email": "ada@shop.example", "password": LONG},
            by="",
        ),
        Asked(
            "refresh",
            "POST",
            "/api/v1/users/refresh",
            {"refreshToken": "a token that was never issued"},
            by="",
        ),
        Asked(
            "refresh by cookie",
            "POST",
            "/api/v1/users/refresh",
            by="",
            headers={"cookie": "valerix_refresh=never-issued", "x-csrf-token": "c"},
        ),
        Asked("logout", "POST", "/api/v1/users/logout"),
        Asked("read by cookie", "GET", "/api/v1/users/me", by="cookie"),
        Asked("change by cookie alone", "DELETE", "/api/v1/users/me/sessions", by="cookie"),
        Asked(
            "change by cookie and header",
            "DELETE",
            "/api/v1/users/me/sessions",
            by="cookie",
            headers={"x-csrf-token": "csrf"},
        ),
    ],
    "notifications": [
        Asked(name, "POST", "/api/v1/notifications/send", MESSAGE, headers=KEY)
        for name in ("send", "send again")
    ],
    "psp": [
        Asked(
            "charge",
            "POST",
            "/v1/charges",
            {
                "reference": "order-ORDER-1",
                "amountMinor": 500,
                "currency": "USD",
                "method": "card_ok",
            },
            by="merchant",
        ),
        Asked(
            "declined charge",
            "POST",
            "/v1/charges",
            {
                "reference": "order-ORDER-2",
                "amountMinor": 500,
                "currency": "USD",
                "method": "card_declined",
            },
            by="merchant",
        ),
        Asked(
            "cancel", "POST", "/v1/charges/cancel", {"reference": "order-ORDER-3"}, by="merchant"
        ),
        Asked(
            "refund",
            "POST",
            "/v1/refunds",
            {"reference": "refund-1", "chargeReference": "order-ORDER-1", "amountMinor": 500},
            by="merchant",
        ),
    ],
}
