"""Refunds by hand: each is once in its order's history, and no answer changes.

This holds whatever the order is doing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import permutations

import msgspec
import pytest

from tests.orders.statements import DRIVING, PLACING, SEARCH
from tests.orders.test_one_answer import Peers, open_flows
from tests.orders.test_use_cases import LEASE, accept, accepting, claim, finish, finishing, make_due
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.postgres.database import Database
from valerix.contracts.commands import NoteRefunds, RefundGiven
from valerix.contracts.ids import new_id
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders import decisions
from valerix.orders.changes import READINGS
from valerix.orders.composition import OrderFlows
from valerix.orders.decisions import HistoryEntry, Refunded
from valerix.orders.errors import OrderBusy
from valerix.orders.order import Order
from valerix.orders.refunds import RefundNotes
from valerix.orders.repository.refunds import NotedRefundsRepository
from valerix.orders.schemas import view

STANDING = (
    OrderStatus.CONFIRMED,
    OrderStatus.PROCESSING,
    OrderStatus.SHIPPED,
    OrderStatus.COMPLETED,
)


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4) as opened:
        yield opened


async def standing(database: Database, **columns: object) -> Order:
    """Place a confirmed order, and set these columns of its row."""
    wanted = accepting(new_id().encode())
    await accept(database, wanted)
    await finish(database, finishing(wanted.order, decisions.confirmed(timedelta(hours=1)), 201))
    if columns:
        changes = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 2))
        statement = f"UPDATE orders SET {changes} WHERE id = $1"  # noqa: S608 - own names
        async with database.connection() as tx:
            await tx.execute(statement, wanted.order.id, *columns.values())
    return wanted.order


def given(order: Order, amount: int = 2, reason: str = "scratched") -> RefundGiven:
    return RefundGiven(new_id(), order.id, Money(amount, "USD"), reason)


async def note(database: Database, *refunds: RefundGiven) -> list[bool]:
    notes = RefundNotes(database, NotedRefundsRepository(), lambda: None)
    return [
        each.settled
        for each in (await notes.note(NoteRefunds(list(refunds)), Deadline.after(60))).outcomes
    ]


async def history(database: Database, order: Order) -> list[HistoryEntry]:
    async with database.connection() as tx:
        return await SEARCH.list_events(tx, order.id)


async def stands(database: Database, order: Order) -> Order:
    async with database.connection() as tx:
        found = await SEARCH.find_order(tx, order.id, None)
    assert found is not None
    return found


@pytest.mark.parametrize("status", STANDING)
async def test_an_order_that_stands_tells_its_refunds_and_stays_what_it_is(
    database: Database, status: OrderStatus
) -> None:
    order = await standing(database, status=status)
    before = await stands(database, order)
    first, second = given(order, 2, "scratched"), given(order, 1, "late")
    assert await note(database, first, second) == [True, True]
    after = await stands(database, order)
    assert (after.status, after.version, after.refunded_minor) == (status, before.version + 2, 3)
    entries = (await history(database, order))[2:]
    assert [(entry.type, entry.status, entry.refund) for entry in entries] == [
        ("order.refunded", status, Refunded(first.refund_id, Money(2, "USD"), "scratched")),
        ("order.refunded", status, Refunded(second.refund_id, Money(1, "USD"), "late")),
    ]
    assert view(after).refunded == Money(3, "USD")


async def test_an_order_of_which_nothing_was_given_back_says_nothing_of_it(
    database: Database,
) -> None:
    assert b"refund" not in msgspec.json.encode(view(await standing(database)))


async def test_a_refund_is_told_once_however_often_and_in_whatever_order_it_is_heard_of(
    database: Database,
) -> None:
    for turn in permutations(range(3)):
        order = await standing(database)
        refunds = [given(order, amount) for amount in (1, 2, 1)]
        for place in turn:
            await asyncio.gather(*(note(database, refunds[place]) for _ in range(3)))
            assert await note(database, *refunds[:place]) == [True] * place
        assert (await stands(database, order)).refunded_minor == 4
        assert [entry.version for entry in await history(database, order)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("status", [OrderStatus.FAILED, OrderStatus.CANCELLED])
async def test_an_order_that_gave_everything_back_does_not_tell_it_again(
    database: Database, status: OrderStatus
) -> None:
    order = await standing(database, status=status)
    assert await note(database, given(order)) == [True]
    assert len(await history(database, order)) == 2
    assert (await stands(database, order)).refunded_minor is None


@pytest.mark.parametrize("order_id", ["of-another-shop", "01890000-0000-7000-8000-000000000000"])
async def test_an_order_nobody_knows_has_no_history(database: Database, order_id: str) -> None:
    assert await note(database, RefundGiven(new_id(), order_id, Money(1, "USD"), "x")) == [True]


async def test_a_refund_that_cannot_be_noted_keeps_no_other_one_out(database: Database) -> None:
    order = await standing(database)
    assert await note(
        database, msgspec.structs.replace(given(order), refund_id="no id"), given(order)
    ) == [False, True]
    assert (await stands(database, order)).refunded_minor == 2


async def test_while_it_is_not_decided_whether_an_order_stands_its_refunds_wait(
    database: Database,
) -> None:
    early, leaving = accepting(), await standing(database, cancel_reason="changed my mind")
    await accept(database, early)
    refunds = [given(early.order), given(leaving)]
    assert await note(database, *refunds) == [False, False]
    await finish(database, finishing(early.order, decisions.confirmed(timedelta(hours=1)), 201))
    await finish(database, finishing(leaving, decisions.shipped_after_all(timedelta(hours=1))))
    assert await note(database, *refunds) == [True, True]
    for order in (early.order, leaving):
        assert (await stands(database, order)).refunded_minor == 2


async def test_the_first_answer_stays_byte_for_byte(database: Database) -> None:
    order = await standing(database)

    async def answer() -> str | None:
        async with database.connection() as tx:
            (known,) = await PLACING.list_existing(tx, [order.id], [])
        return known.answer_body

    before = await answer()
    await note(database, given(order))
    assert before
    assert await answer() == before


async def test_a_pass_that_met_a_refund_is_made_again_at_once_and_not_after_its_lease(
    database: Database,
) -> None:
    order = await standing(database, status=OrderStatus.PROCESSING)
    await make_due(database)
    (taken,) = await claim(database)
    await note(database, given(order))
    assert (
        await finish(database, finishing(taken, decisions.fulfilled(taken, timedelta(0)))) == set()
    )
    assert await claim(database) == []
    await database.repeat(lambda tx: DRIVING.hand_back(tx, [taken]))
    (again,) = await claim(database)
    assert (again.id, again.refunded_minor) == (order.id, 2)
    assert await finish(database, finishing(again, decisions.fulfilled(again, timedelta(0)))) == {
        order.id
    }


async def test_what_another_one_took_over_or_nobody_changed_is_not_handed_back(
    database: Database,
) -> None:
    """Otherwise an order that cannot be written would be tried without a pause."""
    orders = [await standing(database, status=OrderStatus.PROCESSING) for _ in range(2)]
    await make_due(database)
    unwritten, overtaken = sorted(await claim(database), key=lambda order: order.id)
    assert [unwritten.id, overtaken.id] == sorted(order.id for order in orders)
    async with database.connection() as tx:
        await DRIVING.claim_one(tx, overtaken.id, overtaken.version, LEASE, None)
    for taken in (unwritten, overtaken):
        finishing(taken, decisions.fulfilled(taken, timedelta(0)))  # moves the order
    await database.repeat(lambda tx: DRIVING.hand_back(tx, [unwritten, overtaken]))
    assert await claim(database) == []


@pytest.mark.parametrize("changes", [1, READINGS - 1])
async def test_a_refund_that_is_noted_meanwhile_does_not_keep_its_order_from_being_cancelled(
    database: Database, monkeypatch: pytest.MonkeyPatch, changes: int
) -> None:
    """A refund can be noted at any time, as between reading an order and taking it over."""
    order = await standing(database)
    flows = _flows_that_hear_of(changes, order, database, monkeypatch)
    after = await flows.changes.cancel(order.id, None, "broken", Deadline.after(60))
    assert (after.status, after.refunded_minor) == (OrderStatus.CANCELLED, changes)


async def test_an_order_that_always_changes_is_busy(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await standing(database)
    flows = _flows_that_hear_of(2 * READINGS, order, database, monkeypatch)
    with pytest.raises(OrderBusy):
        await flows.changes.cancel(order.id, None, "broken", Deadline.after(60))
    after = await stands(database, order)
    assert (after.status, after.refunded_minor, after.cancel_reason) == (
        OrderStatus.CONFIRMED,
        READINGS,
        None,
    )


def _flows_that_hear_of(
    refunds: int, order: Order, database: Database, monkeypatch: pytest.MonkeyPatch
) -> OrderFlows:
    """Return flows in which this many refunds of one cent are noted.

    Each is noted right after the order was read.
    """
    flows, left = open_flows(database, Peers()), iter(range(refunds))
    read = flows.queries.get

    async def read_and_note(order_id: str, owner_id: str | None) -> Order:
        found = await read(order_id, owner_id)
        if next(left, None) is not None:
            await note(database, given(order, 1))
        return found

    monkeypatch.setattr(flows.queries, "get", read_and_note)
    return flows
