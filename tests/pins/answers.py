"""The answers of the stand-ins in `fakes`, with which a process reaches all of its names: rows, and
replies of services.

If an answer no longer fits the code, facts are missing, and the test names them.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.pins.fakes import Row, Rows

ID: Final = "01890000-0000-7000-8000-000000000001"
MOMENT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
CHARGING: Final = "ORDER-CHARGING"
"""An order with a payment in progress."""
BROKEN: Final = "pins:broken"
"""Id of a message that cannot be processed as one batch, only event by event."""


def changed(row: Row, **columns: Any) -> Row:
    stored = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a row is no dict
    return Row(**stored | columns)


PAYMENT: Final = Row(
    id=ID,
    order_id="ORDER-1",
    customer_id="CUST-001",
    amount_minor=500,
    currency="USD",
    method="card_ok",
    status="captured",
    reason=None,
    provider_reference="order-ORDER-1",
    captured_minor=500,
    refunding_minor=0,
    refunded_minor=0,
    version=1,
    created_at=MOMENT,
    updated_at=MOMENT,
)
REFUND: Final = Row(
    id=ID,
    payment_id=ID,
    amount_minor=500,
    reason="broken",
    status="succeeded",
    failure=None,
    provider_reference=f"refund-{ID}",
    created_at=MOMENT,
    updated_at=MOMENT,
)
ORDER: Final = Row(
    id=ID,
    customer_id="CUST-001",
    status="pending",
    version=2,
    lines=[["PROD-001", 1, "Lamp", 500]],
    payment_method="card_ok",
    on_shortage="hold",
    shipping_address=None,
    currency="USD",
    total_minor=500,
    allocations=None,
    payment_id=None,
    error_code="inventory_unavailable",
    error_message="Inventory is not available",
    cancel_reason=None,
    expected_total=None,
    held_until=None,
    refunded_minor=None,
    lease_epoch=0,
    attempts=1,
    created_at=MOMENT,
    updated_at=MOMENT,
    fingerprint=b"",
    idempotency_key=b"",
    answer_status=None,
    answer_body=None,
)
DUE: Final = {
    "IS TRUE AND due_at <= now()": changed(
        ORDER, status="confirmed", allocations=[["PROD-001", "WH-EAST", 1]]
    ),
    "IS FALSE AND due_at <= now()": changed(
        ORDER, status="processing", allocations=[["PROD-001", "WH-EAST", 1]]
    ),
    "UPDATE payments p SET due_at": changed(PAYMENT, status="processing", captured_minor=0),
}
"""The row that a statement finds due, once."""
OFFER: Final = Row(
    sku="PROD-001",
    product_id="PROD-001",
    name="Lamp",
    unit_price_minor=500,
    currency="USD",
    active=True,
    warehouse_id="WH-EAST",
    on_hand=10,
    reserved=0,
    version=1,
)

NOTIFICATION: Final = {
    "id": ID,
    "event_id": None,
    "channel": "email",
    "template": None,
    "recipient": "CUST-001",
    "subject": "Hello",
    "body": "Hello",
    "created_at": MOMENT,
    "status": "queued",
    "attempts": 0,
    "next_attempt_at": MOMENT,
    "last_error": None,
    "sent_at": None,
}


class Outbox:
    """The outbox of a process: one row per event name, each of which is taken once."""

    def __init__(self, names: Sequence[str]) -> None:
        self._rows = [Row(row_id=7, **_entry(name, place)) for place, name in enumerate(names, 1)]

    def take(self) -> Rows:
        rows, self._rows = self._rows, []
        return rows


def _entry(name: str, place: int) -> dict[str, Any]:
    return {
        "name": name,
        "subject": "SUBJECT",
        "sequence": place,
        "time": MOMENT,
        "trace_id": TRACE,
        "data": "{}",
    }


class Answers:
    """Returns rows by the text of a statement. `emitted`: names of the events in the outbox."""

    def __init__(self, emitted: Sequence[str]) -> None:
        self._outbox = Outbox(emitted)
        self._broken = False
        self._due = dict(DUE)
        self._keyed: dict[bytes, bytes] = {}

    def __call__(self, sql: str, arguments: Sequence[Any]) -> Rows:
        if found := next((words for words in self._due if words in sql), None):
            return [self._due.pop(found)]
        for words, answer in RULES:
            if all(word in sql for word in words.split(" … ")):
                return answer(arguments)
        if "INSERT INTO inbox" in sql:
            return self._marked(arguments[1])
        if "ON CONFLICT (idempotency_key)" in sql:
            *_, key, fingerprint = arguments
            return (
                []
                if self._keyed.setdefault(key, fingerprint) is not fingerprint
                else [Row(inserted=True)]
            )
        if "n.idempotency_key = $1" in sql:
            return [Row(**NOTIFICATION, fingerprint=self._keyed[arguments[0]])]
        return self._outbox.take() if "outbox" in sql and not sql.startswith("DELETE") else []

    def _marked(self, ids: list[str]) -> Rows:
        if BROKEN in ids and not self._broken:
            self._broken = True
            raise ValueError("an effect that fails")
        return [Row(message_id=one) for one in ids]


def _arrays(arguments: Sequence[Any]) -> list[Any]:
    """Returns the array arguments of a statement over a list."""
    return [one for one in arguments if isinstance(one, list | tuple)]


def _ids(arguments: Sequence[Any]) -> Rows:
    return [Row(id=one, bound=None) for one in _arrays(arguments)[0]]


def _payments(arguments: Sequence[Any]) -> Rows:
    """Returns a payment by its id; of several orders, the one with a charge in progress, or else
    the first, which is paid.
    """
    if not isinstance(arguments[0], list):
        return [PAYMENT]
    if CHARGING in arguments[0]:
        return [changed(PAYMENT, order_id=CHARGING, status="processing", captured_minor=0)]
    return [changed(PAYMENT, order_id=arguments[0][0])]


def _made(arguments: Sequence[Any]) -> Rows:
    return [] if CHARGING in _arrays(arguments)[1] else _ids(arguments)


RULES: Final[list[tuple[str, Callable[[Sequence[Any]], Rows]]]] = [
    ("pg_try_advisory", lambda _: [Row(got=True)]),
    ("to_regclass", lambda _: [Row(missing=[])]),
    (
        "FROM source, fits",
        lambda _: [],
    ),  # not taken as one batch, so each order is settled by itself
    ("AS places", lambda a: [Row(sku=sku, places=1) for sku in a[0]]),
    ("SELECT count(*)", lambda _: [Row(count=0)]),
    ("nextval", lambda _: [Row(number=1)]),
    ("AS as_of", lambda _: [Row(as_of=0.0, ids=[])]),
    # orders
    ("INSERT INTO order_events", _ids),
    ("WHERE o.id = $1", lambda _: [ORDER]),
    ("due_at - now()", lambda _: [Row(due_in=timedelta(seconds=9))]),
    # payments
    ("INSERT INTO payments", _made),
    ("INSERT INTO capture_keys", lambda _: [Row(kept=True)]),
    ("INSERT INTO payment_events … RETURNING", _ids),
    ("UPDATE refunds SET status = $2", lambda _: [Row(ended=True)]),
    ("FROM refunds r WHERE r.id", lambda _: [REFUND]),
    ("FROM payments p", _payments),
    # inventory
    ("LEFT JOIN locked", lambda _: [OFFER]),
    (
        "ended AS",
        lambda a: [
            Row(order_id=i, state=s, movements=0, changed=True, held=True)
            for i, s in zip(a[0], a[1], strict=True)
        ],
    ),
]
"""Words that a statement contains, all of them, and the rows of its answer."""


# --- the services behind

Replies = dict[str, Callable[[Any], tuple[int, Any]]]
AWAY, SHORT, UNKNOWN, ENDED = "AWAY", "SHORT", "UNKNOWN", "ENDED"
"""Names of products and customers; each name determines the outcome of an order."""


def reply(path: str, body: Any) -> tuple[int, Any]:
    """Returns the reply of the service that has this path."""
    last = path.rpartition("/")[2]
    if "/internal/" in path:
        return INTERNAL.get(last, _nothing)(body)
    return PROVIDER.get(path, _nothing)(body)


def _nothing(_: Any) -> tuple[int, Any]:
    return 200, {}


def _outcomes(outcomes: list[Any]) -> tuple[int, Any]:
    away = any(outcome is None for outcome in outcomes)
    return (503, {}) if away else (200, {"outcomes": outcomes})


def _standing(customer: str) -> Any:
    reason = {UNKNOWN: "unknown", SHORT: "suspended"}.get(customer)
    return (
        None
        if customer == AWAY
        else {"customerId": customer, "valid": reason is None, "reason": reason}
    )


def _reserved(command: Any) -> Any:
    order, product = command["orderId"], command["lines"][0]["productId"]
    if product == AWAY:
        return None
    kinds: dict[str, dict[str, Any]] = {
        SHORT: {
            "outcome": "insufficient_stock",
            "shortages": [{"productId": product, "requested": 1, "available": 0}],
        },
        UNKNOWN: {"outcome": "unknown_product", "productIds": [product]},
        ENDED: {"outcome": "ended", "state": "released"},
    }
    price = {"productId": product, "name": "Lamp", "unitPriceMinor": 500, "currency": "USD"}
    place = {"productId": product, "warehouseId": "WH-EAST", "quantity": 1}
    fine: dict[str, Any] = {
        "outcome": "reserved",
        "allocations": [place],
        "products": [price],
        "idempotent": False,
    }
    return {"orderId": order, **kinds.get(product, fine)}


def _described(order_id: str) -> Any:
    return {
        "outcome": "described",
        "orderId": order_id,
        "customerId": "CUST-001",
        "status": "completed" if order_id == PAYMENT["order_id"] else "pending",
        "lines": [{"productId": "PROD-001", "quantity": 1}],
        "paymentMethod": "card_ok",
        "total": {"amountMinor": 500, "currency": "USD"},
        "cancelling": False,
    }


def _captured(command: Any) -> Any:
    method = command["method"]
    if method == "card_timeout":
        return None
    status, reason = {
        "card_declined": ("declined", "card_declined"),
        "card_expired": ("voided", None),
        "card_flaky": ("processing", "provider_silent"),
    }.get(method, ("captured", None))
    return {"orderId": command["orderId"], "paymentId": ID, "status": status, "reason": reason}


INTERNAL: Final[Replies] = {
    "revocations": lambda _: (200, {"asOf": 0.0, "sessionIds": []}),
    "describe": lambda body: _outcomes([_described(one) for one in body["orderIds"]]),
    "check": lambda body: _outcomes([_standing(one) for one in body["customerIds"]]),
    "reserve": lambda body: _outcomes([_reserved(one) for one in body["commands"]]),
    "release": lambda body: _outcomes(
        [{"orderId": one, "state": "released"} for one in body["orderIds"]]
    ),
    "commit": lambda body: _outcomes(
        [{"orderId": one, "state": "committed"} for one in body["orderIds"]]
    ),
    "capture": lambda body: _outcomes([_captured(one) for one in body["commands"]]),
    "void": lambda body: _outcomes(
        [
            {"orderId": one["orderId"], "paymentId": ID, "status": "voided"}
            for one in body["commands"]
        ]
    ),
}
PROVIDER: Final[Replies] = {
    "/v1/charges": lambda body: (201, {**body, "status": "captured"}),
    "/v1/charges/find": lambda _: (200, {"charges": []}),
    "/v1/charges/cancel": lambda body: (200, {**body, "status": "cancelled"}),
    "/v1/refunds": lambda body: (201, body),
}
