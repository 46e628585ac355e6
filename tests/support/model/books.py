"""The model's own counts, and the state of a stack that must agree with them."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.api import Api
from tests.support.model.operations import Call
from tests.support.stack import Stack
from valerix.contracts.states import ChargeStatus, OrderStatus, RefundStatus

STANDING = (
    OrderStatus.CONFIRMED,
    OrderStatus.PROCESSING,
    OrderStatus.SHIPPED,
    OrderStatus.COMPLETED,
)
GONE = (OrderStatus.SHIPPED, OrderStatus.COMPLETED)
SET_ASIDE = (
    "SELECT sku, order_id, quantity - missing AS units FROM waiting_lines WHERE quantity > missing"
)
HELD = "SELECT lines FROM reservations WHERE state = 'reserved' AND order_id = ANY($1)"


@dataclass
class Books:
    """Counts that are taken from answers alone."""

    brought: Counter[str] = field(default_factory=Counter)
    """Units by product: the initial stock plus units added by hand, less units removed by hand."""
    refunds: dict[str, str] = field(default_factory=dict)
    """Payment ids by the ids of their refunds by hand."""
    committed: set[str] = field(default_factory=set)
    """Orders with a reservation that was committed by hand."""

    def note(self, operation: str, call: Call, document: Any) -> None:
        """Records the changes of a successful call."""
        body = call.body or {}
        if operation == "createProduct":
            self.brought[body["productId"]] += sum(
                each["quantity"] for each in body["initialStock"]
            )
        elif operation in ("adjustStock", "updateStock") and not document.get("idempotent"):
            self.brought[body["productId"]] += body[
                "delta" if operation == "adjustStock" else "quantity"
            ]
        elif operation == "refundPayment":
            self.refunds[document["id"]] = document["paymentId"]
        elif operation == "commitStock":
            self.committed.add(body["orderId"])


async def differences(stack: Stack, operator: Api, books: Books) -> list[str]:
    """Returns the differences between the stack and the books."""
    orders = {
        order["id"]: order
        for sku in books.brought
        async for order in _pages(operator, f"/api/v1/orders?limit=200&productId={sku}")
    }
    return [
        *await _stock_differs(stack, operator, books, orders),
        *await _money_differs(stack, operator, books, orders),
    ]


async def _stock_differs(
    stack: Stack, operator: Api, books: Books, orders: dict[str, Any]
) -> list[str]:
    shipped, reserved = Counter[str](), Counter[str]()
    for order in orders.values():
        gone = order["status"] in GONE or order["id"] in books.committed
        if gone or order["status"] in STANDING:
            for item in order["items"]:
                (shipped if gone else reserved)[item["productId"]] += item["quantity"]
    pending = [order["id"] for order in orders.values() if order["status"] == OrderStatus.PENDING]
    for row in await stack.rows("inventory", SET_ASIDE):
        if row["order_id"] in pending:
            reserved[row["sku"]] += row["units"]
    for row in await stack.rows("inventory", HELD, pending):
        for allocation in json.loads(row["lines"]):
            reserved[allocation["productId"]] += allocation["quantity"]
    found = []
    for sku, brought in books.brought.items():
        answer = await operator.get(f"/api/v1/inventory/{sku}")
        there = answer.json if answer.status == 200 else {"onHand": 0, "reserved": 0}
        expected = brought - shipped[sku], reserved[sku]
        if (there["onHand"], there["reserved"]) != expected:
            found.append(f"{sku}: {there}, expected (on hand, reserved) {expected}")
    return found


async def _money_differs(
    stack: Stack, operator: Api, books: Books, orders: dict[str, Any]
) -> list[str]:
    captures = Counter[str]()
    payments = defaultdict(list)
    async for payment in _pages(operator, "/api/v1/payments?limit=200"):
        payments[payment["orderId"]].append(payment)
    for charge in (await stack.ledger())["charges"]:
        if charge["status"] == ChargeStatus.CAPTURED:
            captures[charge["reference"]] += charge["captures"]
    found = []
    for order in orders.values():
        own = payments[order["id"]]
        charged = sum(captures[payment["providerReference"]] for payment in own)
        kept = sum(_minor(payment["captured"]) - _minor(payment["refunded"]) for payment in own)
        returned = sum([await _returned(operator, payment["id"], books) for payment in own])
        stands = order["status"] in STANDING
        expected = _minor(order["total"]) - returned if stands else 0
        if charged > 1 or kept != expected:
            found.append(
                f"charged {charged} times, kept {kept}, expected {expected}: {order}, {own}"
            )
    return found


async def _returned(operator: Api, payment_id: str, books: Books) -> int:
    """Returns the minor units of a payment that staff refunded."""
    if payment_id not in books.refunds.values():
        return 0
    refunds = (await operator.get(f"/api/v1/payments/{payment_id}")).json["refunds"]
    by_hand = [refund for refund in refunds if refund["id"] in books.refunds]
    return sum(
        refund["amountMinor"] for refund in by_hand if refund["status"] == RefundStatus.SUCCEEDED
    )


async def _pages(api: Api, path: str) -> AsyncIterator[dict[str, Any]]:
    """Yields the items of a list, page by page."""
    cursor = ""
    while True:
        answer = await api.get(path + cursor)
        assert answer.status == 200, answer.body
        for item in answer.json["items"]:
            yield item
        if answer.json["nextCursor"] is None:
            return
        cursor = f"&cursor={answer.json['nextCursor']}"


def _minor(money: dict[str, Any] | None) -> int:
    amount: int = 0 if money is None else money["amountMinor"]
    return amount
