"""The table of operations: the roles that call each, how often, and with which values. Amounts are
small, so that limits are reached.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tests.support.model.pools import Pools
from valerix.contracts.states import OrderStatus, PaymentStatus

ANONYMOUS, FIRST, SECOND, OPERATOR, ADMIN = "anonymous", "first", "second", "operator", "admin"
CUSTOMERS: Final = (FIRST, SECOND)
STAFF: Final = (OPERATOR, ADMIN)
PEOPLE: Final = CUSTOMERS + STAFF
ROLES: Final = (ANONYMOUS, *PEOPLE)
PASSWORD = "long enough, 4 sure"
PRICES = (1000, 1000, 1500, 700, 0)
METHODS = ("card_ok",) * 9 + ("card_declined", "card_flaky", "card_insufficient_funds", "visa")
NUMBERS = count(1)


class Call(NamedTuple):
    """One request of an operation. `key` is sent where the operation has its idempotency key."""

    path: Mapping[str, str] = MappingProxyType({})
    query: Mapping[str, str] = MappingProxyType({})
    body: dict[str, Any] | None = None
    version: int | None = None
    """The version that is sent as If-Match."""
    key: str | None = None

    def shown(self) -> str:
        """Returns the drawn values as text."""
        parts = {"body": self.body, "If-Match": self.version, "key": self.key}
        return str(
            {
                **self.path,
                **self.query,
                **{name: part for name, part in parts.items() if part is not None},
            }
        )


class Draw:
    """Draws the values of one call by one role."""

    def __init__(
        self, chance: random.Random, pools: Pools, role: str, own: dict[str, str], prefix: str
    ) -> None:
        """`own`: the caller's customerId, email and id. `prefix`: begins the names of all created
        objects.
        """
        self.chance, self.pools, self.role, self.own, self.prefix = chance, pools, role, own, prefix

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def of(self, kind: str) -> str:
        return self.pools.draw(self.chance, kind)

    def order(self, *statuses: OrderStatus) -> str:
        return self.pools.draw_order(self.chance, statuses, self.own.get("customerId"))

    def sku(self) -> str:
        """Draws a product: mostly one of the few that all calls share."""
        return self.of("sku" if self.often(0.95) else "other sku")

    def units(self) -> int:
        return self.chance.randint(1, 5)

    def new(self, what: str) -> str:
        return f"{self.prefix}-{what}-{next(NUMBERS)}"

    def key(self, share: float = 0.6) -> str | None:
        return self.new("key") if self.often(share) else None

    def version(self, of: str) -> int | None:
        """Draws a version: the last one seen, an old one, or none."""
        known = self.pools.versions.get(of)
        return None if known is None or self.often(0.5) else known - self.often(0.2)

    def items(self) -> list[dict[str, Any]]:
        skus = dict.fromkeys(self.sku() for _ in range(self.chance.choice((1, 1, 1, 2, 3))))
        return [{"productId": sku, "quantity": self.units()} for sku in skus]

    def customer(self) -> str:
        """Draws a customer: customers order for themselves, staff mostly for the two customers that
        send calls.
        """
        if "customerId" in self.own and self.often(0.97):
            return self.own["customerId"]
        return self.of("customer" if self.often(0.8) else "guest customer")


Build = Callable[[Draw], Call]


@dataclass(frozen=True)
class Operation:
    """How to call an operation. `by`: the roles that mostly call it; the other roles try it,
    too.
    """

    weight: int
    by: tuple[str, ...]
    build: Build


# --- orders


def _place(draw: Draw) -> Call:
    items = draw.items()
    wanted: dict[str, Any] = {"items": items}
    if draw.often(0.2):
        wanted = items[0]
    elif draw.often(0.1):
        wanted = {"product": items[0]["productId"]}
    body = {
        "customerId": draw.customer(),
        **wanted,
        "paymentMethod": "card_timeout" if draw.often(0.03) else draw.chance.choice(METHODS),
        "onShortage": draw.chance.choice(("hold", "backorder", "backorder", "reject")),
    }
    return Call(body=body, key=draw.key())


def _change(draw: Draw) -> Call:
    if draw.role not in CUSTOMERS and draw.often(0.7):
        status = draw.chance.choice(
            (OrderStatus.PROCESSING, OrderStatus.PROCESSING, OrderStatus.SHIPPED)
        )
        order = draw.order(OrderStatus.CONFIRMED, OrderStatus.PROCESSING, OrderStatus.SHIPPED)
        body: dict[str, Any] = {"status": OrderStatus.COMPLETED if draw.often(0.2) else status}
    else:
        order = draw.order(OrderStatus.PENDING)
        address = {"name": "A", "street": "B 1", "city": "C", "country": "DE"}
        body = draw.chance.choice(
            (
                {"items": draw.items()},
                {"items": draw.items()},
                {"quantity": draw.units()},
                {"shippingAddress": address},
            )
        )
    return Call({"order_id": order}, body=body, version=draw.version(order))


def _retry(draw: Draw) -> Call:
    return Call({"order_id": draw.order(OrderStatus.PENDING)})


def _cancel(draw: Draw) -> Call:
    order = draw.order(OrderStatus.PENDING, OrderStatus.CONFIRMED, OrderStatus.PROCESSING)
    return Call({"order_id": order}, {"reason": "model"} if draw.often(0.3) else {})


# --- stock


def _reserve(draw: Draw) -> Call:
    order = draw.order(OrderStatus.PENDING)
    seen = draw.pools.orders.get(order, {"items": draw.items()})
    items = [
        {"productId": each["productId"], "quantity": each["quantity"]} for each in seen["items"]
    ]
    return Call(body={"orderId": order, "items": draw.items() if draw.often(0.1) else items})


def _release(draw: Draw) -> Call:
    return Call(
        body={
            "orderId": draw.order(OrderStatus.CANCELLED, OrderStatus.FAILED, OrderStatus.CONFIRMED)
        }
    )


def _commit(draw: Draw) -> Call:
    return Call(body={"orderId": draw.order(OrderStatus.PROCESSING)})


def _adjust(draw: Draw) -> Call:
    delta = draw.units() if draw.often(0.75) else -draw.units()
    body = {
        "productId": draw.sku(),
        "warehouseId": draw.of("warehouse"),
        "delta": delta,
        "reason": "model",
    }
    return Call(body=body, key=draw.key())


def _update(draw: Draw) -> Call:
    quantity = draw.units() if draw.often(0.5) else -draw.units()
    order = {"orderId": draw.of("order")} if draw.often(0.3) else {}
    return Call(body={"productId": draw.sku(), "quantity": quantity, **order}, key=draw.key(1))


def _product(draw: Draw) -> dict[str, Any]:
    price = {
        "amountMinor": draw.chance.choice(PRICES),
        "currency": "EUR" if draw.often(0.05) else "USD",
    }
    return {
        "name": "Model",
        "price": price,
        "active": draw.often(0.97),
        "lowStockThreshold": draw.units(),
    }


def _create_product(draw: Draw) -> Call:
    sku = draw.sku() if draw.often(0.1) else draw.new("sku")
    stock = (
        [{"warehouseId": draw.of("warehouse"), "quantity": draw.units()}] if draw.often(0.6) else []
    )
    return Call(body=_product(draw) | {"productId": sku, "initialStock": stock})


def _replace_product(draw: Draw) -> Call:
    sku = draw.sku()
    return Call({"sku": sku}, body=_product(draw), version=draw.version(sku))


def _create_warehouse(draw: Draw) -> Call:
    name = draw.of("warehouse") if draw.often(0.3) else draw.new("WH")
    return Call(
        body={"warehouseId": name, "name": "Model", "priority": draw.chance.randint(0, 10_000)}
    )


# --- money


def _capture(draw: Draw) -> Call:
    order = draw.order(OrderStatus.PENDING)
    seen = draw.pools.orders.get(order, {})
    owed = seen.get("total") or {"amountMinor": 1000, "currency": "USD"}
    body = {
        "orderId": order,
        "customerId": seen.get("customerId", draw.of("customer")),
        "amount": owed if draw.often(0.9) else owed | {"amountMinor": 777},
        "method": seen.get("paymentMethod", "card_ok"),
    }
    return Call(body=body, key=draw.key())


def _refund(draw: Draw) -> Call:
    amount = (
        {} if draw.often(0.3) else {"amountMinor": draw.chance.choice((1, 200, 500, 1000, 100_000))}
    )
    order = draw.order(
        OrderStatus.CONFIRMED, OrderStatus.PROCESSING, OrderStatus.SHIPPED, OrderStatus.COMPLETED
    )
    payment = draw.pools.orders.get(order, {}).get("paymentId") or draw.of("payment")
    return Call({"payment_id": payment}, body={**amount, "reason": "model"}, key=draw.key())


# --- people and messages


def _register(draw: Draw) -> Call:
    return Call(
        body={
            "name": "Guest",
            "email": f"{draw.new('guest')}@example.com".lower(),
            "password": PASSWORD,
        }
    )


def _login(draw: Draw) -> Call:
    password = PASSWORD if draw.often(0.9) else "not the password"
    return Call(body={"email": draw.of("email"), "password": password})


def _refresh(draw: Draw) -> Call:
    return Call(
        body={
            "refreshToken": draw.pools.newest("refresh") if draw.often(0.5) else draw.of("refresh")
        }
    )


def _password(_: Draw) -> Call:
    return Call(body={"currentPassword": PASSWORD, "newPassword": PASSWORD})


def _forgot(draw: Draw) -> Call:
    return Call(body={"email": draw.of("email") if draw.often(0.5) else "nobody@example.com"})


def _with_mail_token(draw: Draw) -> Call:
    return Call(body={"token": draw.key(1.0)})


def _reset(draw: Draw) -> Call:
    return Call(body={"token": draw.key(1.0), "newPassword": PASSWORD})


def _change_user(draw: Draw) -> Call:
    if draw.own and draw.role != ADMIN:
        return Call({"user_id": draw.own["id"]}, body={"name": "Model", "email": draw.own["email"]})
    user = draw.of("guest")
    email = f"{draw.new('changed')}@example.com".lower()
    body = {"name": "Changed", "email": email, "currentPassword": PASSWORD}
    return Call({"user_id": user}, body=body, version=draw.version(user))


def _change_role(draw: Draw) -> Call:
    return Call(
        {"user_id": draw.of("guest")},
        body={"role": draw.chance.choice(("customer", "operator", "admin"))},
    )


def _change_status(draw: Draw) -> Call:
    return Call(
        {"user_id": draw.of("guest")}, body={"status": draw.chance.choice(("suspended", "active"))}
    )


def _end_sessions(draw: Draw) -> Call:
    return Call({"user_id": draw.of("guest")})


def _end_session(draw: Draw) -> Call:
    user, _, session = draw.of("user and session").partition(" ")
    return Call({"user_id": user, "session_id": session or user})


def _end_my_session(draw: Draw) -> Call:
    return Call({"session_id": draw.pools.newest(f"session of {draw.role}")})


def _send(draw: Draw) -> Call:
    text = {"subject": "Model", "body": "Hello"}
    return Call(body={"customerId": draw.of("customer"), **text}, key=draw.key())


def _inject(_: Draw) -> Call:
    return Call(body={"kind": "gremlin", "every": 1_000_000, "delayMs": 1, "durationSeconds": 1})


QUERY: Final[dict[str, Callable[[Draw], str]]] = {
    "limit": lambda draw: str(draw.chance.choice((1, 2, 200))),
    "customerId": lambda draw: draw.customer(),
    "productId": lambda draw: draw.sku(),
    "orderId": lambda draw: draw.of("order"),
    "warehouse": lambda draw: draw.of("warehouse"),
    "method": lambda draw: draw.chance.choice(METHODS),
    "sort": lambda draw: draw.chance.choice(("createdAt", "-createdAt")),
    "lowStock": lambda _: "true",
    "waiting": lambda _: "true",
    "active": lambda draw: draw.chance.choice(("true", "false")),
    "q": lambda draw: draw.prefix,
    "from": lambda _: "2026-01-01T00:00:00Z",
    "to": lambda _: "2100-01-01T00:00:00Z",
    "role": lambda _: "customer",
    "actor": lambda draw: draw.of("user"),
    "subject": lambda draw: draw.of("user"),
}
STATUSES: Final[dict[str, tuple[str, ...]]] = {
    "listOrders": tuple(OrderStatus),
    "listPayments": tuple(PaymentStatus),
    "listNotifications": ("queued", "sent"),
    "listUsers": ("active", "suspended"),
}
"""Values of the parameter `status` by operation."""


def reading(name: str, parameters: list[str]) -> Build:
    """Builds calls of an operation without a body: its path parameters, and some of its filters."""

    def build(draw: Draw) -> Call:
        path = {
            name: draw.of(name.removesuffix("_id"))
            for name in parameters
            if name.endswith("_id") or name == "sku"
        }
        query = {
            name: QUERY[name](draw) for name in parameters if name in QUERY and draw.often(0.25)
        }
        if name in STATUSES and draw.often(0.25):
            query["status"] = draw.chance.choice(STATUSES[name])
        if (
            "cursor" in parameters
            and (cursors := draw.pools.values(f"cursor of {name}"))
            and draw.often(0.5)
        ):
            query["cursor"] = draw.chance.choice(cursors)
        return Call(path, query)

    return build


TABLE: Final[dict[str, Operation]] = {
    "placeOrder": Operation(60, (*CUSTOMERS, *CUSTOMERS, OPERATOR), _place),
    "changeOrder": Operation(30, (*CUSTOMERS, OPERATOR, OPERATOR), _change),
    "retryOrder": Operation(15, (*CUSTOMERS, OPERATOR), _retry),
    "cancelOrder": Operation(14, (*CUSTOMERS, OPERATOR), _cancel),
    "reserveStock": Operation(10, STAFF, _reserve),
    "releaseStock": Operation(6, STAFF, _release),
    "commitStock": Operation(8, STAFF, _commit),
    "adjustStock": Operation(20, STAFF, _adjust),
    "updateStock": Operation(12, STAFF, _update),
    "createProduct": Operation(3, STAFF, _create_product),
    "replaceProduct": Operation(8, STAFF, _replace_product),
    "deleteProduct": Operation(2, STAFF, lambda draw: Call({"sku": draw.of("other sku")})),
    "createWarehouse": Operation(1, STAFF, _create_warehouse),
    "capturePayment": Operation(10, STAFF, _capture),
    "refundPayment": Operation(14, STAFF, _refund),
    "register": Operation(4, (ANONYMOUS,), _register),
    "login": Operation(6, (ANONYMOUS,), _login),
    "refresh": Operation(4, (ANONYMOUS,), _refresh),
    "forgotPassword": Operation(1, (ANONYMOUS,), _forgot),
    "resetPassword": Operation(1, (ANONYMOUS,), _reset),
    "confirmEmail": Operation(1, (ANONYMOUS,), _with_mail_token),
    "requestEmailConfirmation": Operation(1, PEOPLE, lambda _: Call()),
    "changeMyPassword": Operation(1, PEOPLE, _password),
    "changeUser": Operation(2, (*PEOPLE, ADMIN), _change_user),
    "changeUserRole": Operation(2, (ADMIN,), _change_role),
    "changeUserStatus": Operation(4, (ADMIN,), _change_status),
    "listSessions": Operation(4, (ADMIN,), lambda draw: Call({"user_id": draw.of("guest")})),
    "endSessions": Operation(1, (ADMIN,), _end_sessions),
    "endSession": Operation(4, (ADMIN,), _end_session),
    "endMySession": Operation(2, PEOPLE, _end_my_session),
    "sendNotification": Operation(4, (OPERATOR,), _send),
    "injectFault": Operation(1, (ADMIN,), _inject),
}
"""Operations that are not listed here have no body and are called now and then by every role."""
KEYS_IN_BODY: Final = frozenset({"adjustStock", "updateStock"})
REFUSED: Final = dict.fromkeys(
    ("getChaos", "injectFault", "stopChaos", "getAllChaos", "stopAllChaos"),
    "chaos is disabled on the stack",
) | dict.fromkeys(("resetPassword", "confirmEmail"), "the tokens are in e-mails")
"""Operations that never succeed, with the reasons."""
