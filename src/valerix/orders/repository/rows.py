"""Orders and their history as rows: reading and encoding."""

from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import Record

from valerix.chassis.postgres.rows import Reader
from valerix.contracts.commands import Allocation
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders.decisions import HistoryEntry, Refunded, Step
from valerix.orders.order import Order, OrderLine

_encode = msgspec.json.Encoder().encode


def _lines(rows: list[list[Any]]) -> list[OrderLine]:
    return [OrderLine(*row) for row in rows]


def _allocations(rows: list[list[Any]]) -> list[Allocation]:
    return [Allocation(*row) for row in rows]


def _money(document: dict[str, Any]) -> Money:
    return msgspec.convert(document, Money)


ORDER: Final = Reader(
    Order,
    "o",
    id=str,
    payment_id=str,
    lines=_lines,
    allocations=_allocations,
    expected_total=_money,
)


def read_entry(row: Record) -> HistoryEntry:
    """Read the history entry that a row of order_events holds."""
    data = row["data"]
    return HistoryEntry(
        version=row["version"],
        type=row["type"],
        status=OrderStatus(data["status"]),
        error_code=data["errorCode"],
        error_message=data["errorMessage"],
        steps=[_step(step) for step in row["steps"] or []],
        trace_id=row["trace_id"],
        occurred_at=row["occurred_at"],
        refund=_refund(data["refund"]) if "refund" in data else None,
        held_until=datetime.fromisoformat(data["heldUntil"]) if "heldUntil" in data else None,
    )


def _refund(raw: dict[str, Any]) -> Refunded:
    return Refunded(raw["id"], _money(raw["amount"]), raw["reason"])


def _step(raw: dict[str, Any]) -> Step:
    began = datetime.fromisoformat(raw["startedAt"])
    return Step(
        raw["name"], raw["attempt"], raw["outcome"], began, raw["durationMs"], raw.get("detail")
    )


def lines_of(order: Order) -> str:
    """Encode lines as compact rows: [productId, quantity, name, unitPriceMinor]."""
    rows = [
        [line.product_id, line.quantity, line.name, line.unit_price_minor] for line in order.lines
    ]
    return _encode(rows).decode()


def json_of(value: Any) -> str | None:
    """Encode a value as JSON.

    Allocations become compact rows, too: [productId, warehouseId, quantity].
    """
    if value is None:
        return None
    if isinstance(value, list):
        value = [[a.product_id, a.warehouse_id, a.quantity] for a in value]
    return _encode(value).decode()
