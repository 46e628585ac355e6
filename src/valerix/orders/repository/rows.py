"""An order and its history as rows: the columns, and what stands in them."""

from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import Record

from valerix.contracts.commands import Allocation
from valerix.contracts.states import OrderStatus
from valerix.orders.decisions import HistoryEntry, Step
from valerix.orders.order import Order, OrderLine

_encode = msgspec.json.Encoder().encode

COLUMNS: Final = """
    o.id, o.customer_id, o.status, o.version, o.lines, o.payment_method, o.on_shortage, o.shipping_address, o.currency,
    o.total_minor, o.allocations, o.payment_id, o.error_code, o.error_message, o.cancel_reason, o.lease_epoch,
    o.attempts, o.created_at, o.updated_at"""


def read_order(row: Record) -> Order:
    """The order a row with COLUMNS holds."""
    return Order(
        id=str(row["id"]),
        customer_id=row["customer_id"],
        lines=[OrderLine(*line) for line in row["lines"]],
        payment_method=row["payment_method"],
        on_shortage=row["on_shortage"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        shipping_address=row["shipping_address"],
        status=OrderStatus(row["status"]),
        version=row["version"],
        currency=row["currency"],
        total_minor=row["total_minor"],
        allocations=None if row["allocations"] is None else [Allocation(*a) for a in row["allocations"]],
        payment_id=None if row["payment_id"] is None else str(row["payment_id"]),
        error_code=row["error_code"],
        error_message=row["error_message"],
        cancel_reason=row["cancel_reason"],
        lease_epoch=row["lease_epoch"],
        attempts=row["attempts"],
    )


def read_entry(row: Record) -> HistoryEntry:
    """The entry a row of order_events holds."""
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
    )


def _step(raw: dict[str, Any]) -> Step:
    began = datetime.fromisoformat(raw["startedAt"])
    return Step(raw["name"], raw["attempt"], raw["outcome"], began, raw["durationMs"], raw.get("detail"))


def lines_of(order: Order) -> str:
    """Lines as compact rows: [productId, quantity, name, unitPriceMinor]."""
    rows = [[line.product_id, line.quantity, line.name, line.unit_price_minor] for line in order.lines]
    return _encode(rows).decode()


def json_of(value: Any) -> str | None:
    """Allocations as compact rows, too: [productId, warehouseId, quantity]."""
    if value is None:
        return None
    if isinstance(value, list):
        value = [[a.product_id, a.warehouse_id, a.quantity] for a in value]
    return _encode(value).decode()
