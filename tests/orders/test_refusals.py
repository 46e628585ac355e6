"""A refused order is refused again in the same words, byte for byte.

That includes the status, the place of the order and the body.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final

import msgspec
import pytest

from tests.orders.test_one_answer import PRICE, Peers, open_flows
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.postgres.database import Database
from valerix.contracts import commands
from valerix.contracts.money import Money
from valerix.contracts.states import PaymentStatus, ReservationStatus
from valerix.orders.answers import Answer
from valerix.orders.composition import PLANNED, OrderFlows
from valerix.orders.errors import REFUSALS
from valerix.orders.order import OrderLine
from valerix.orders.placing import PlaceRequest, new_order
from valerix.orders.schemas import view

STANDING: Final = {"unknown_customer": "unknown", "customer_suspended": "suspended"}


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4, PLANNED) as opened:
        yield opened


class Refusing(Peers):
    """Peers that end each order with `code`.

    For cancellations, `flows` cancel the order while its stock is being reserved.
    """

    def __init__(self, code: str) -> None:
        super().__init__()
        self.flows: OrderFlows | None = None
        self._code = code

    async def post(
        self, path: str, body: Any, answer: Any, *, deadline: Any = None, report: Any = None
    ) -> Any:
        usual = await super().post(path, body, answer, deadline=deadline, report=report)
        match path:
            case commands.CHECK_CUSTOMERS if reason := STANDING.get(self._code):
                return commands.CustomersChecked(
                    [commands.CustomerStanding(c, False, reason) for c in body.customer_ids]
                )
            case commands.RESERVE_STOCK:
                return commands.ReserveOutcomes(
                    [await self._reserve(c.order_id) for c in body.commands]
                )
            case commands.VOID_PAYMENTS if self._code != "payment_declined":
                return commands.PaymentOutcomes(
                    [
                        commands.PaymentOutcome(c.order_id, c.order_id, PaymentStatus.VOIDED)
                        for c in body.commands
                    ]
                )
            case _:
                return usual

    async def _reserve(self, order_id: str) -> commands.ReserveOutcome:
        match self._code:
            case "insufficient_stock":
                return commands.StockShort(order_id, [commands.Shortage(PRICE.product_id, 1, 0)])
            case "unknown_product":
                return commands.ProductsUnknown(order_id, [PRICE.product_id])
            case "order_ended":
                return commands.ReservationEnded(order_id, ReservationStatus.RELEASED)
            case "order_cancelled":
                assert self.flows
                await self.flows.changes.cancel(
                    order_id, None, "changed my mind", Deadline.after(60)
                )
        price = (
            msgspec.structs.replace(PRICE, unit_price_minor=10**15)
            if self._code == "not_chargeable"
            else PRICE
        )
        place = commands.Allocation(PRICE.product_id, "EAST", 1)
        return commands.StockReserved(order_id, [place], [price])


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refusal_is_replayed_as_it_was_given(database: Database, code: str) -> None:
    peers = Refusing(code)
    flows = peers.flows = open_flows(database, peers)
    method = "card_declined" if code == "payment_declined" else "card_ok"

    async def place() -> Answer:
        expected = Money(1, PRICE.currency) if code == "total_differs" else None
        order = new_order(
            "CUST-001", [OrderLine(PRICE.product_id, 1)], method, "reject", None, expected
        )
        order.currency = (
            "EUR" if code == "price_changed" else None
        )  # as if it had been quoted before
        return await flows.placing.place(
            PlaceRequest(order, b"key", b"same", "t" * 32, Deadline.after(60))
        )

    first, again = await place(), await place()
    document = msgspec.json.decode(first.body)
    assert (document["status"], document["code"], document["order"]["errorCode"]) == (
        first.status,
        code,
        code,
    )
    assert again == first._replace(replayed=True)


@pytest.mark.parametrize(
    ("on_shortage", "waits"), [("hold", True), ("backorder", True), ("reject", False)]
)
async def test_an_order_that_waits_for_stock_says_until_when(
    database: Database, on_shortage: str, waits: bool
) -> None:
    flows = open_flows(database, Refusing("insufficient_stock"))
    order = new_order("CUST-001", [OrderLine(PRICE.product_id, 1)], "card_ok", on_shortage, None)
    answer = await flows.placing.place(PlaceRequest(order, None, b"", "t" * 32, Deadline.after(60)))
    shown = msgspec.json.decode(answer.body)["order"]
    assert ("heldUntil" in shown) is waits
    kept, (_, entry) = await flows.queries.timeline(order.id, None, after=0, limit=9)
    assert msgspec.to_builtins(view(kept)) == shown
    assert entry.held_until == (msgspec.convert(shown["heldUntil"], datetime) if waits else None)
    if waits:
        await flows.changes.cancel(order.id, None, "changed my mind", Deadline.after(60))
    assert "heldUntil" not in msgspec.to_builtins(view(await flows.queries.get(order.id, None)))
