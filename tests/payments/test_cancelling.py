"""Changes by hand meet a cancellation: whichever comes first, a cancelled order keeps no money and
no stock.

Orders, payments and inventory run in this process, on real databases and with a real provider;
calls between them are direct. A failpoint is where one gives way to the other.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.orders.test_domain import RETRY
from tests.payments.conftest import SECRET, charges
from tests.support.api import Api
from tests.support.processes import Process
from tests.support.stock_wait import STOCK_WAIT
from valerix.chassis.base.deadline import Deadline, utc_now
from valerix.chassis.calls.client import Attempt, HttpClient, NotSent
from valerix.chassis.calls.policy import Policy
from valerix.chassis.chaos.points import POINTS
from valerix.chassis.postgres.database import KEYED, Database
from valerix.contracts import commands
from valerix.contracts.acts import Actor
from valerix.contracts.commands import Line
from valerix.contracts.errors import DomainError
from valerix.contracts.states import OrderStatus, PaymentStatus, ReservationStatus
from valerix.inventory import composition as inventory
from valerix.inventory import demo
from valerix.inventory.by_hand import StockByHand
from valerix.inventory.domain import endings
from valerix.orders.composition import PLANNED
from valerix.orders.composition import connect as connect_orders
from valerix.orders.order import Order, OrderLine
from valerix.orders.placing import PlaceRequest, new_order
from valerix.orders.saga import Saga, Services
from valerix.orders.schemas import describe
from valerix.payments import composition as payments
from valerix.payments.captures import Captured, CaptureRequest
from valerix.payments.domain import Refund
from valerix.payments.owed import RequestedCharge
from valerix.payments.provider import Provider
from valerix.payments.refunds import RefundRequest

SKU: Final = "PROD-001"
CHECKED: Final = "payments.capture.checked"
WHILE_CHARGING: Final = (
    CHECKED,
    "payments.opened",
    "payments.charging",
    "payments.charged",
    "payments.settled",
)
WHILE_CANCELLING: Final = {
    "orders.claimed.pending": "refunded",  # only the request is noted
    "payments.forbidden": "voided",
    "saga.void_payment.done": "voided",
    "saga.release_stock.done": "voided",
    "orders.finishing": "voided",
    "orders.finished": "voided",
}
Use = Callable[[Any, Deadline], Awaitable[Any]]


class Direct:
    """The clients of all services: each command calls its use case, unless the service is away."""

    def __init__(self) -> None:
        self.uses: dict[str, Use] = {}
        self.away: set[str] = set()

    async def post(
        self,
        path: str,
        body: Any,
        _: Any,
        *,
        deadline: Deadline,
        report: Callable[[Attempt], None] = lambda _: None,
    ) -> Any:
        failure = NotSent("peer", "is away") if path in self.away else None
        report(Attempt(utc_now(), 1.0, failure))
        if failure is not None:
            raise failure
        return await self.uses[path](body, deadline)


OLGA = Actor("olga", "operator", "192.0.2.7", "t" * 32)


class House:
    """The three services, and the actions of staff and customers on them."""

    def __init__(
        self, orders: Database, books: Database, shop: inventory.StockFlows, provider: Provider
    ) -> None:
        self.peers, self.books = Direct(), books
        peers: Any = self.peers  # replaces the clients
        saga = Saga(Services(peers, peers, peers), _directory, STOCK_WAIT, timedelta(1), RETRY, 0)
        self.orders = connect_orders(orders, orders, saga, lambda: None, max_concurrent_batches=2)
        self.payments, self.shop = payments.connect(books, provider), shop
        self.captures = payments.connect_captures(books, self.payments, peers)
        self.by_hand = StockByHand(shop.reserving, peers)
        self.refunds = payments.connect_refunds(books, self.payments, peers)
        self.reports = payments.connect_refund_reports(books, peers)
        self.peers.uses = {
            commands.DESCRIBE_ORDERS: self._describe,
            commands.NOTE_REFUNDS: self.orders.refunds.note,
            commands.CAPTURE_PAYMENTS: self.payments.capture,
            commands.VOID_PAYMENTS: self.payments.void,
            commands.RESERVE_STOCK: self._reserve,
            commands.RELEASE_STOCK: self._release,
            commands.COMMIT_STOCK: self._commit,
        }

    async def _describe(self, refs: commands.OrderRefs, _: Deadline) -> commands.OrderOutcomes:
        found = await self.orders.queries.find_all(refs.order_ids)
        return commands.OrderOutcomes(
            [describe(*each) for each in zip(refs.order_ids, found, strict=True)]
        )

    async def _reserve(
        self, asked: commands.ReserveStocks, deadline: Deadline
    ) -> commands.ReserveOutcomes:
        return commands.ReserveOutcomes(
            await self.shop.reserving.reserve(asked.commands, "orders", deadline)
        )

    async def _release(
        self, refs: commands.OrderRefs, deadline: Deadline
    ) -> commands.ReservationStates:
        ends = endings(refs.order_ids, ReservationStatus.RELEASED)
        return commands.ReservationStates(await self.shop.reserving.end(ends, "orders", deadline))

    async def _commit(
        self, refs: commands.OrderRefs, deadline: Deadline
    ) -> commands.ReservationStates:
        ends = endings(refs.order_ids, ReservationStatus.COMMITTED)
        return commands.ReservationStates(await self.shop.reserving.end(ends, "orders", deadline))

    async def place(self) -> Order:
        """A pending order with a price: payments did not answer for a moment."""
        self.peers.away = {commands.CAPTURE_PAYMENTS}
        order = new_order("CUST-001", [OrderLine(SKU, 2)], "card_ok", "hold", None)
        await self.orders.placing.place(
            PlaceRequest(order, None, b"", "t" * 32, Deadline.after(60))
        )
        self.peers.away.clear()
        return await self.order(order.id)

    async def buy(self) -> Order:
        """A confirmed order."""
        order = await self.place()
        await self.orders.changes.retry(order.id, None, Deadline.after(60))
        return await self.order(order.id)

    async def move(self, order: Order, status: OrderStatus) -> None:
        moved = await self.orders.fulfilment.fulfil_until(
            order.id, version=None, target=status, deadline=Deadline.after(60)
        )
        assert moved.status is status

    async def refund(self, order: Order, amount_minor: int | None) -> Refund:
        payment_id = (await self.order(order.id)).payment_id or ""
        request = RefundRequest(payment_id, amount_minor, "scratched", None, b"by hand")
        return (await self.refunds.refund(request, 60, Deadline.after(60)))[0]

    async def told(self, order: Order) -> list[str]:
        """The event types of its history, once orders has noted every refund."""
        while await self.reports.report_due(10):
            pass
        _, history = await self.orders.queries.timeline(order.id, None, after=0, limit=50)
        return [entry.type for entry in history]

    async def order(self, order_id: str) -> Order:
        return await self.orders.queries.get(order_id, None)

    async def charge(self, order: Order) -> Captured:
        owed = RequestedCharge(
            order.id,
            order.customer_id,
            order.total_minor or 0,
            order.currency or "",
            order.payment_method,
        )
        return await self.captures.capture(CaptureRequest(owed, None, b""), Deadline.after(60))

    async def cancel(self, order: Order) -> None:
        cancelled = await self.orders.changes.cancel(
            order.id, None, "changed my mind", Deadline.after(60)
        )
        assert cancelled.status is OrderStatus.CANCELLED

    async def paid(self, order: Order) -> PaymentStatus:
        return (await self.payments.get_of_order(order.id, None)).payment.status

    async def reserved(self) -> int:
        return (await self.shop.stock.get_inventory(SKU)).reserved


@pytest.fixture
async def house(database_url: Callable[[str], str], psp: Process) -> AsyncIterator[House]:
    urls = {service: database_url(service) for service in ("orders", "payments", "inventory")}
    await demo.seed(urls["inventory"])
    headers = {"authorization": f"Bearer {SECRET}"}
    async with (
        Database.open(urls["orders"], 6, PLANNED) as orders,
        Database.open(urls["payments"], 6, KEYED) as books,
        Database.open(urls["inventory"], 8, KEYED) as shelves,
        HttpClient.open("psp", [psp.url], Policy(retries=0), headers=headers) as client,
    ):
        made = House(orders, books, inventory.connect(shelves), Provider(client))
        yield made
        await made.payments.close()


@pytest.fixture
async def provider(psp: Process) -> AsyncIterator[Api]:
    async with Api.open(psp.url, SECRET) as api:
        yield api


async def _directory(customer_ids: list[str]) -> dict[str, str]:
    return dict.fromkeys(customer_ids, "active")


def once(
    monkeypatch: pytest.MonkeyPatch, point: str, meanwhile: Callable[[], Awaitable[object]]
) -> list[str]:
    """Make the first task at the point wait for `meanwhile`; the list then names the point."""
    struck: list[str] = []

    async def strike() -> None:
        if not struck:
            struck.append(point)
            await meanwhile()

    monkeypatch.setattr(POINTS[point], "strike", strike)
    return struck


async def code_of(outcome: Awaitable[object]) -> str:
    """The code of the refusal; empty when there is none."""
    try:
        await outcome
    except DomainError as refusal:
        return refusal.code
    return ""


async def kept(provider: Api, order: Order) -> int:
    """The minor units that the provider holds for the order, which it charged at most once."""
    found = await charges(provider, order.id)
    assert all(charge.get("captures", 0) <= 1 for charge in found)
    return sum(
        c["amountMinor"] - c.get("refundedMinor", 0) for c in found if c["status"] == "captured"
    )


@pytest.mark.parametrize("point", WHILE_CHARGING)
async def test_an_order_that_is_cancelled_while_it_is_charged_keeps_no_money(
    house: House, provider: Api, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    order = await house.place()
    assert (order.status, order.total_minor is not None) == (OrderStatus.PENDING, True)
    struck = once(monkeypatch, point, lambda: house.cancel(order))
    code = await code_of(house.charge(order))
    assert struck == [point]
    assert (await house.order(order.id)).status is OrderStatus.CANCELLED
    assert await kept(provider, order) == 0
    assert (code, await house.paid(order)) in {
        ("payment_voided", PaymentStatus.VOIDED),
        ("", PaymentStatus.REFUNDED),
    }
    assert code == "payment_voided" or point in ("payments.charged", "payments.settled")
    assert await house.reserved() == 0


@pytest.mark.parametrize(("point", "end"), WHILE_CANCELLING.items(), ids=WHILE_CANCELLING)
async def test_an_order_that_is_charged_while_it_is_cancelled_keeps_no_money(
    house: House, provider: Api, monkeypatch: pytest.MonkeyPatch, point: str, end: str
) -> None:
    """The charge was accepted before the cancellation began, and continues at the point."""
    order = await house.place()
    checked, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        checked.set()
        await go_on.wait()

    once(monkeypatch, CHECKED, hold)
    charging = asyncio.create_task(code_of(house.charge(order)))
    await checked.wait()

    async def charge_now() -> None:
        go_on.set()
        await charging

    struck = once(monkeypatch, point, charge_now)
    await house.cancel(order)
    assert struck == [point]
    assert (await charging, await house.paid(order)) == (
        "" if end == "refunded" else "payment_voided",
        end,
    )
    assert await kept(provider, order) == 0
    assert await house.reserved() == 0


async def test_what_was_charged_by_hand_confirms_the_order_and_is_refunded_when_it_is_cancelled(
    house: House, provider: Api
) -> None:
    order = await house.place()
    assert (await house.charge(order)).fresh
    answer = await house.orders.changes.retry(order.id, None, Deadline.after(60))
    assert (answer.status, (await house.order(order.id)).status) == (200, OrderStatus.CONFIRMED)
    assert await kept(provider, order) == order.total_minor
    await house.cancel(order)
    assert await house.paid(order) is PaymentStatus.REFUNDED
    assert await kept(provider, order) == 0


async def test_once_cancelling_is_noted_nothing_is_charged_any_more(
    house: House, provider: Api
) -> None:
    order = await house.place()
    house.peers.away = {commands.VOID_PAYMENTS}
    await house.orders.changes.cancel(order.id, None, "changed my mind", Deadline.after(60))
    assert await code_of(house.charge(order)) == "order_not_payable"
    house.peers.away = set()
    await house.cancel(order)
    assert await code_of(house.charge(order)) == "order_not_payable"
    assert await charges(provider, order.id) == []


async def test_stock_reserved_by_hand_for_an_order_that_ends_meanwhile_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await house.place()
    struck = once(monkeypatch, "inventory.by_hand.checked", lambda: house.cancel(order))
    outcome = await house.by_hand.reserve(order.id, [Line(SKU, 2)], OLGA, Deadline.after(60))
    assert struck
    assert outcome == commands.ReservationEnded(order.id, ReservationStatus.RELEASED)
    assert await house.reserved() == 0
