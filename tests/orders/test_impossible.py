"""An order that cannot be stored, or that another service refuses, fails alone.

Its neighbours go on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from tests.orders.statements import COUNTED, DRIVING, PLACING, SEARCH
from tests.orders.test_domain import RETRY
from tests.orders.test_one_answer import Peers, directory, open_flows
from tests.orders.test_use_cases import accept, accepting
from tests.support.stock_wait import NO_STOCK_WAIT
from valerix.chassis.base.deadline import Deadline, utc_now
from valerix.chassis.calls.client import Attempt, Refused, Unacceptable
from valerix.chassis.postgres.database import Database
from valerix.contracts import commands
from valerix.contracts.states import OrderStatus, PaymentStatus
from valerix.orders.composition import PLANNED
from valerix.orders.decisions import SagaRun, left_alone
from valerix.orders.driving import Driving
from valerix.orders.order import Order, OrderLine
from valerix.orders.placing import PlaceRequest, new_order
from valerix.orders.saga import Saga, Services

NUL = "\x00"
"""A character that PostgreSQL stores in no text."""


class PickyPeers(Peers):
    """Peers that refuse commands about `odd` orders; the reason of a refusal can be anything."""

    def __init__(self, kind: type[Refused] = Unacceptable) -> None:
        super().__init__()
        self.odd: set[str] = set()
        self.kind = kind
        self.calls: list[str] = []
        self.reason: str | None = None

    async def post(
        self, path: str, body: Any, answer: Any, *, deadline: Any = None, report: Any = None
    ) -> Any:
        self.calls.append(path)
        if path != commands.CHECK_CUSTOMERS and self.odd.intersection(ids_of(body)):
            refusal = self.kind("inventory", 422, {"detail": "that is no order"})
            report(Attempt(utc_now(), 1.0, refusal))
            raise refusal
        return await super().post(path, body, answer, deadline=deadline, report=report)

    def _capture(self, command: commands.CapturePayment) -> commands.PaymentOutcome:
        if command.method == "odd":
            return commands.PaymentOutcome(
                command.order_id, command.order_id, PaymentStatus.DECLINED, self.reason
            )
        return super()._capture(command)


class NoProvider(Peers):
    """Peers without a provider: the outcome of a void stays unknown."""

    async def post(
        self, path: str, body: Any, answer: Any, *, deadline: Any = None, report: Any = None
    ) -> Any:
        if path == commands.VOID_PAYMENTS:
            return commands.PaymentOutcomes(
                [
                    commands.PaymentOutcome(c.order_id, c.order_id, PaymentStatus.PROCESSING)
                    for c in body.commands
                ]
            )
        return await super().post(path, body, answer, deadline=deadline, report=report)


def ids_of(body: Any) -> list[str]:
    return list(getattr(body, "order_ids", ())) or [command.order_id for command in body.commands]


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4, PLANNED) as opened:
        yield opened


def request(customer: str = "CUST-001", method: str = "card_ok") -> PlaceRequest:
    order = new_order(customer, [OrderLine("PROD-001", 1)], method, "reject", None)
    return PlaceRequest(order, None, b"", "t" * 32, Deadline.after(60))


async def find(database: Database, order_id: str) -> Order | None:
    async with database.connection() as tx:
        return await SEARCH.find_order(tx, order_id, None)


async def place_all(database: Database, peers: Peers, wanted: list[PlaceRequest]) -> list[Any]:
    placing = open_flows(database, peers).placing
    return await asyncio.gather(*map(placing.place, wanted), return_exceptions=True)


async def test_an_order_that_cannot_be_inserted_is_refused_alone(database: Database) -> None:
    wanted = [request() for _ in range(3)]
    wanted.insert(1, request(customer=NUL))
    answers = await place_all(database, Peers(), wanted)
    assert isinstance(answers.pop(1), asyncpg.DataError)
    assert [answer.status for answer in answers] == [201] * 3
    assert await find(database, wanted[1].order.id) is None


async def test_what_was_found_out_about_an_order_and_cannot_be_written_leaves_it_as_it_was(
    database: Database,
) -> None:
    wanted = [request() for _ in range(3)]
    wanted.insert(1, request(method="odd"))
    peers = PickyPeers()
    peers.reason = NUL
    answers = await place_all(database, peers, wanted)
    assert [answer.status for answer in answers] == [201, 202, 201, 201]
    order = await find(database, wanted[1].order.id)
    assert order is not None
    assert (order.status, order.version) == (OrderStatus.PENDING, 1)


@pytest.mark.parametrize("place", range(4))
async def test_an_order_another_service_refuses_waits_alone(database: Database, place: int) -> None:
    wanted = [request() for _ in range(4)]
    odd, peers = wanted[place].order.id, PickyPeers()
    peers.odd = {odd}
    answers = await place_all(database, peers, wanted)
    assert [answer.status for answer in answers] == [
        202 if each is wanted[place] else 201 for each in wanted
    ]
    order = await find(database, odd)
    assert order is not None
    assert order.error_code == "inventory_unavailable"
    async with database.connection() as tx:
        steps = {
            each.order.id: (await SEARCH.list_events(tx, each.order.id))[-1].steps
            for each in wanted
        }
    names = {
        order_id: [(step.name, step.outcome) for step in found] for order_id, found in steps.items()
    }
    assert names.pop(odd) == [("validate_customer", "ok"), ("reserve_stock", "failed")]
    assert {tuple(found) for found in names.values()} == {
        (("validate_customer", "ok"), ("reserve_stock", "ok"), ("charge", "captured"))
    }


async def test_a_refusal_that_is_not_about_what_was_sent_is_not_asked_for_again(
    database: Database,
) -> None:
    wanted, peers = [request() for _ in range(4)], PickyPeers(Refused)
    peers.odd = {wanted[0].order.id}
    answers = await place_all(database, peers, wanted)
    assert [answer.status for answer in answers] == [202] * 4
    assert peers.calls.count(commands.RESERVE_STOCK) == 1


async def test_in_the_warehouse_an_order_that_cannot_be_written_waits_alone(
    database: Database,
) -> None:
    wanted = [accepting() for _ in range(3)]
    await accept(database, *wanted)
    ids = [each.order.id for each in wanted]
    async with database.connection() as tx:
        await tx.execute(
            "UPDATE orders "
            "SET status = 'confirmed', total_minor = 1, allocations = '[]', due_at = now()"
        )
        # The event that its next state would write exists already.
        await tx.execute(
            "INSERT INTO order_events (order_id, version, type, data, trace_id, occurred_at) "
            "VALUES ($1, 2, 'x', '{}', 't', now())",
            ids[1],
        )
    flows = open_flows(database, Peers())
    assert await flows.fulfilment.sweep(100, Deadline.after(60)) == 3
    async with database.connection() as tx:
        states = {
            row["id"]: row["status"]
            for row in await tx.fetch("SELECT id::text, status FROM orders")
        }
        due = await tx.fetchval("SELECT due_at > now() FROM orders WHERE id = $1", ids[1])
    assert states == {ids[0]: "processing", ids[1]: "confirmed", ids[2]: "processing"}
    assert due, "it is looked at again later, not at once"
    assert await flows.fulfilment.sweep(100, Deadline.after(60)) == 0


async def test_a_time_that_cannot_be_stored_postpones_the_others(database: Database) -> None:
    wanted = [accepting() for _ in range(3)]
    await accept(database, *wanted)
    runs = [SagaRun(each.order, decision=left_alone(each.order)) for each in wanted]
    for run, due_in in zip(
        runs, (timedelta(days=1), timedelta.max, timedelta(days=1)), strict=True
    ):
        assert run.decision
        run.decision.due_in = due_in
    saga = Saga(
        Services(Peers(), Peers(), Peers()), directory, NO_STOCK_WAIT, timedelta(0), RETRY, 0
    )
    driving = Driving(database, DRIVING, PLACING, COUNTED, saga, lambda: None)
    await driving.finish([(run, "t") for run in runs])
    async with database.connection() as tx:
        due_at = await tx.fetch(
            "SELECT due_at > now() + interval '1 hour' AS later FROM orders ORDER BY id"
        )
    assert [row["later"] for row in due_at] == [True, False, True]


async def test_a_paid_order_whose_money_waits_for_the_provider_gives_its_stock_back(
    database: Database,
) -> None:
    """The stock that is shown as reserved is the stock that is reserved."""
    wanted = [request() for _ in range(2)]
    await place_all(database, Peers(), wanted)
    cancelled = wanted[0].order.id

    changes = open_flows(database, NoProvider()).changes
    order = await changes.cancel(cancelled, None, "changed my mind", Deadline.after(60))
    assert (order.status, order.allocations, order.cancel_reason) == (
        OrderStatus.CONFIRMED,
        None,
        "changed my mind",
    )
    async with database.connection() as tx:
        await tx.execute("UPDATE orders SET due_at = now()")
    await open_flows(database, Peers()).fulfilment.sweep(100, Deadline.after(60))
    ends = [await find(database, each.order.id) for each in wanted]
    assert [each and each.status for each in ends] == [
        OrderStatus.CANCELLED,
        OrderStatus.PROCESSING,
    ]


async def test_a_confirmed_order_without_a_wish_to_cancel_holds_stock(database: Database) -> None:
    wanted = accepting()
    await accept(database, wanted)
    async with database.connection() as tx:
        with pytest.raises(asyncpg.CheckViolationError, match="orders_confirmed"):
            await tx.execute("UPDATE orders SET status = 'confirmed', total_minor = 1")
