"""Due orders: each is driven once, neither kind waits for the other, and no order is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.orders.statements import DRIVING, READ_MODEL, SEARCH
from tests.orders.test_domain import NOW, RETRY
from tests.orders.test_one_answer import directory
from tests.orders.test_quote import Shop, place
from tests.orders.test_use_cases import LEASE, accept, accepting, claim, finish, finishing, make_due
from tests.support.stock_wait import NO_STOCK_WAIT, STOCK_WAIT
from valerix.chassis.base.deadline import Deadline, utc_now
from valerix.chassis.postgres.database import Database
from valerix.contracts.events import BY_SOURCE, ORDERS
from valerix.contracts.ids import new_id
from valerix.contracts.states import OrderStatus
from valerix.orders import decisions
from valerix.orders.composition import PLANNED, OrderFlows, connect
from valerix.orders.decisions import Decision, SagaRun
from valerix.orders.driving import CLAIMED
from valerix.orders.order import Order
from valerix.orders.repository.driving import HOLD_OVER
from valerix.orders.saga import Saga, Services


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4, PLANNED) as opened:
        yield opened


class SagaWithoutServices(Saga):
    """Takes local steps; every step that calls another service is postponed."""

    def __init__(self) -> None:
        uncalled: Any = Services
        super().__init__(uncalled, directory, NO_STOCK_WAIT, timedelta(hours=1), RETRY, 0)
        self.driven = list[str]()

    async def run(self, runs: object, deadline: Deadline, wait_seconds: float) -> None:
        for run in runs:  # type: ignore[attr-defined]  # runs of the saga
            self.driven.append(run.order.id)
            run.decision = decisions.delayed(run.order, "tested", "no service is there", RETRY, 0.5)


def worker(database: Database) -> tuple[OrderFlows, SagaWithoutServices]:
    saga = SagaWithoutServices()
    return connect(database, database, saga, lambda: None, max_concurrent_batches=1), saga


def held(order: Order) -> Decision:
    """Hold the order for no time at all."""
    return decisions.short_of_stock(order, "x", NO_STOCK_WAIT, NOW, asked=False)


def shop_flows(database: Database, shop: Shop) -> OrderFlows:
    saga = Saga(Services(shop, shop, shop), directory, STOCK_WAIT, timedelta(hours=1), RETRY, 0)
    return connect(database, database, saga, lambda: None, max_concurrent_batches=1)


async def confirmed(database: Database, count: int) -> list[Order]:
    """Place this number of confirmed orders that are due."""
    wanted = [accepting() for _ in range(count)]
    await accept(database, *wanted)
    orders = [w.order for w in wanted]
    assert (
        len(
            await finish(
                database, *(finishing(o, decisions.confirmed(timedelta(0)), 201) for o in orders)
            )
        )
        == count
    )
    return orders


async def statuses(database: Database) -> list[tuple[str, int, int]]:
    """Return the rows of all orders with a history without gaps.

    A row is (status, version, number of times the order was taken over).
    """
    async with database.connection() as tx:
        rows = await tx.fetch(
            """
            SELECT status, version, lease_epoch FROM orders o
            WHERE version = (SELECT count(*) FROM order_events WHERE order_id = o.id) ORDER BY id
            """
        )
    return [tuple(row) for row in rows]


async def test_steps_that_need_nobody_are_taken_once_however_many_take_them(
    database: Database,
) -> None:
    await confirmed(database, 30)
    workers = [worker(database)[0] for _ in range(3)]
    taken = await asyncio.gather(
        *(each.fulfilment.sweep(12, Deadline.after(60)) for each in workers for _ in range(2))
    )
    assert sum(taken) == 30
    assert await statuses(database) == [("processing", 3, 0)] * 30


async def test_a_backlog_of_one_kind_holds_up_none_of_the_other(database: Database) -> None:
    await confirmed(database, 5)
    await accept(database, *[accepting() for _ in range(5)])
    await make_due(database)
    orders, saga = worker(database)
    assert await orders.fulfilment.sweep(2, Deadline.after(60)) == 2
    assert (
        [status for status, _, _ in await statuses(database)].count("processing")
        == len(saga.driven)
        == 2
    )


@pytest.mark.parametrize("on_shortage", ["backorder", "hold"])
async def test_orders_that_are_ready_are_due(database: Database, on_shortage: str) -> None:
    """A held order is ready, too, when staff has reserved stock for it."""
    ready, waiting = accepting(), accepting()
    for wanted in (ready, waiting):
        wanted.order.on_shortage = on_shortage
    await accept(database, ready, waiting)
    ready_decision = decisions.short_of_stock(ready.order, "x", STOCK_WAIT, utc_now(), asked=False)
    await finish(
        database, *(finishing(wanted.order, ready_decision, 409) for wanted in (ready, waiting))
    )
    assert await claim(database) == []
    async with database.connection() as tx:
        await READ_MODEL.make_ready_due(tx, [ready.order.id, new_id()])
    assert [order.id for order in await claim(database)] == [ready.order.id]


async def test_a_backorder_that_is_ready_before_its_shortage_is_written_is_not_put_off(
    database: Database,
) -> None:
    """Stock arrives between inventory's refusal and the moment the refusal is written."""
    wanted = accepting()
    wanted.order.on_shortage = "backorder"
    await accept(database, wanted)
    async with database.connection() as tx:
        await READ_MODEL.make_ready_due(tx, [wanted.order.id])
    short = decisions.short_of_stock(wanted.order, "x", STOCK_WAIT, utc_now(), asked=False)
    assert await finish(database, finishing(wanted.order, short, 409)) == set()
    assert [order.id for order in await claim(database)] == [wanted.order.id]


async def test_a_hold_is_over_after_its_time_and_a_backorder_after_its_own(
    database: Database,
) -> None:
    hold, backorder, old, delayed = (accepting() for _ in range(4))
    backorder.order.on_shortage = old.order.on_shortage = "backorder"
    old.order.created_at -= STOCK_WAIT.backorder
    await accept(database, hold, backorder, old, delayed)
    for wanted in (hold, backorder, old):
        short = held(wanted.order)
        await finish(database, finishing(wanted.order, short, 409))
    late = decisions.delayed(delayed.order, "inventory_unavailable", "x", RETRY, 0)
    await finish(database, finishing(delayed.order, late))
    await make_due(database)
    reasons = {order.id: order.cancel_reason for order in await claim(database)}
    assert reasons == {
        **{hold.order.id: HOLD_OVER, old.order.id: HOLD_OVER},
        **{backorder.order.id: None, delayed.order.id: None},
    }


async def test_a_backorder_of_before_gets_its_end_when_it_is_looked_at(database: Database) -> None:
    wanted = accepting()
    wanted.order.on_shortage = "backorder"
    await accept(database, wanted)
    await finish(database, finishing(wanted.order, held(wanted.order), 409))
    async with database.connection() as tx:
        await tx.execute("UPDATE orders SET held_until = NULL")
    await make_due(database)
    (taken,) = await claim(database)
    assert taken.cancel_reason is None
    short = decisions.short_of_stock(taken, "x", STOCK_WAIT, utc_now(), asked=False)
    async with database.connection() as tx:
        await DRIVING.postpone_orders(tx, [SagaRun(taken, decision=short)])
        assert (
            await tx.fetchval("SELECT held_until FROM orders")
            == taken.created_at + STOCK_WAIT.backorder
        )


async def test_a_hold_that_is_over_ends_even_if_a_service_is_away_then(database: Database) -> None:
    wanted = accepting()
    await accept(database, wanted)
    await finish(
        database,
        finishing(wanted.order, held(wanted.order), 409),
    )
    await make_due(database)
    (taken,) = await claim(database)
    waiting = decisions.delayed(taken, "payments_unavailable", "x", RETRY, 0)
    assert await finish(database, finishing(taken, waiting))
    await make_due(database)
    assert [order.cancel_reason for order in await claim(database)] == [HOLD_OVER]


async def test_what_is_to_be_cancelled_asks_others(database: Database) -> None:
    (order,) = await confirmed(database, 1)
    async with database.connection() as tx:
        assert await DRIVING.claim_one(tx, order.id, order.version, LEASE, "changed my mind")
    await make_due(database)
    async with database.transaction() as tx:
        assert await DRIVING.lock_due_local(tx, 10) == []
    (taken,) = await claim(database)
    assert (taken.id, taken.local_step) == (order.id, False)


async def test_whoever_dies_taking_a_step_leaves_the_order_due(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die() -> None:
        raise RuntimeError("killed")

    await confirmed(database, 1)
    orders, _ = worker(database)
    with monkeypatch.context() as dying:
        dying.setattr(CLAIMED[OrderStatus.CONFIRMED], "strike", die)
        with pytest.raises(RuntimeError, match="killed"):
            await orders.fulfilment.sweep(10, Deadline.after(60))
    assert await statuses(database) == [("confirmed", 2, 0)]
    assert await orders.fulfilment.sweep(10, Deadline.after(60)) == 1
    assert await statuses(database) == [("processing", 3, 0)]


async def test_who_wants_an_order_while_its_step_is_taken_comes_too_late(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (order,) = await confirmed(database, 1)
    overtaken: list[asyncio.Task[Order | None]] = []

    async def want_it() -> None:
        async def claim_it() -> Order | None:
            async with database.connection() as tx:
                return await DRIVING.claim_one(
                    tx, order.id, order.version, LEASE, "changed my mind"
                )

        overtaken.append(asyncio.create_task(claim_it()))
        await asyncio.sleep(0.2)
        assert not overtaken[0].done(), "it waits for the transaction"

    monkeypatch.setattr(CLAIMED[OrderStatus.CONFIRMED], "strike", want_it)
    orders, _ = worker(database)
    assert await orders.fulfilment.sweep(10, Deadline.after(60)) == 1
    assert await overtaken[0] is None
    assert await statuses(database) == [("processing", 3, 0)]


async def test_a_step_is_not_taken_from_whoever_has_the_order(database: Database) -> None:
    (order,) = await confirmed(database, 1)
    async with database.connection() as tx:
        taken = await DRIVING.claim_one(tx, order.id, order.version, LEASE, None)
    assert taken is not None
    orders, _ = worker(database)
    assert await orders.fulfilment.sweep(10, Deadline.after(60)) == 0
    stale = msgspec.convert(msgspec.to_builtins(order), Order)
    assert (
        await finish(database, finishing(stale, decisions.fulfilled(stale, timedelta(0)))) == set()
    )
    assert await finish(database, finishing(taken, decisions.fulfilled(taken, timedelta(0)))) == {
        order.id
    }


async def test_that_an_order_waits_is_told_once(database: Database) -> None:
    """A retry of its customer is kept in its history, but emits no event.

    A look for stock without success leaves no trace.
    """
    shop = Shop(A=500)
    shop.in_stock = False
    flows = shop_flows(database, shop)
    answer, order = await place(flows, ("A", 1), on_shortage="backorder")
    assert answer == 409
    for _ in range(3):
        await make_due(database)
        await flows.fulfilment.sweep(100, Deadline.after(60))
        assert (await flows.changes.retry(order.id, None, Deadline.after(60))).status == 409
    shop.in_stock = True
    await make_due(database)
    await flows.fulfilment.sweep(100, Deadline.after(60))
    async with database.connection() as tx:
        types = [event.type for event in await SEARCH.list_events(tx, order.id)]
    retries = ["order.still_held"] * 3
    assert types == ["order.created", "order.held", *retries, "order.confirmed"]
    assert not {"order.still_held"}.intersection(BY_SOURCE[ORDERS])


async def test_a_held_order_whose_retry_died_is_not_over_before_its_time(
    database: Database,
) -> None:
    shop = Shop(A=500)
    shop.in_stock = False
    flows = shop_flows(database, shop)
    _, order = await place(flows, ("A", 1))
    async with database.connection() as tx:
        assert await DRIVING.claim_one(
            tx, order.id, order.version, timedelta(0), None
        )  # and the new holder dies
    await flows.fulfilment.sweep(100, Deadline.after(60))
    after = await flows.queries.get(order.id, None)
    assert (after.status, after.cancel_reason, after.version) == (
        OrderStatus.PENDING,
        None,
        order.version,
    )
    async with database.connection() as tx:
        late = await tx.fetchval("SELECT abs(extract(epoch FROM due_at - held_until)) FROM orders")
    assert after.held_until == order.held_until
    assert late < 5
