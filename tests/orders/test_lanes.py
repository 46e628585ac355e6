"""An order with slow services holds up no order behind it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.orders.statements import CHANGES
from tests.orders.test_domain import RETRY
from tests.orders.test_use_cases import accept, accepting, make_due
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.calls.client import BreakerOpen
from valerix.chassis.postgres.database import Database
from valerix.orders import decisions
from valerix.orders.composition import connect
from valerix.orders.decisions import SagaRun
from valerix.orders.order import OrderLine
from valerix.orders.placing import PlaceRequest, new_order
from valerix.orders.saga import Saga, Services

SLOW = "SLOW-1"
ARGUMENTS: Any = (Services, dict, timedelta(0), timedelta(0), RETRY, 0)
"""Arguments of a saga that calls neither services nor the directory of customers."""


class SagaWithSlowProduct(Saga):
    """Finds no fault with any order, but takes its time with one product."""

    def __init__(self) -> None:
        super().__init__(*ARGUMENTS)
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def run(self, runs: Sequence[SagaRun], deadline: Deadline, wait_seconds: float) -> None:
        if any(run.order.lines[0].product_id == SLOW for run in runs):
            self.began.set()
            await self.go_on.wait()
        for run in runs:
            run.decision = decisions.delayed(run.order, "tested", "nothing is wrong", RETRY, 0.5)


def placing(product: str, seconds: float = 60.0) -> PlaceRequest:
    order = new_order("CUST-001", [OrderLine(product, 1)], "card_ok", "hold", None)
    return PlaceRequest(order, None, b"fingerprint", "t" * 32, Deadline.after(seconds))


async def test_a_slow_batch_gives_its_lane_to_the_next(database_url: Callable[..., str]) -> None:
    async with Database.open(database_url("orders"), 2) as database:
        saga = SagaWithSlowProduct()
        orders = connect(database, database, saga, lambda: None, max_concurrent_batches=1)
        slow = asyncio.create_task(orders.placing.place(placing(SLOW)))
        await saga.began.wait()
        assert (await orders.placing.place(placing("PROD-001"))).status == 202
        assert not slow.done()
        saga.go_on.set()
        assert (await slow).status == 202


async def test_a_batch_waits_for_charges_as_long_as_its_settings_say(
    database_url: Callable[..., str],
) -> None:
    heard = []

    class SlowCharge(Saga):
        async def run(
            self, runs: Sequence[SagaRun], deadline: Deadline, wait_seconds: float
        ) -> None:
            heard.append(wait_seconds)

        async def resume(
            self, runs: list[SagaRun], deadline: Deadline, wait_seconds: float
        ) -> None:
            heard.append(wait_seconds)
            for run in runs:
                self.give_up(run)

    async with Database.open(database_url("orders"), 2) as database:
        saga = SlowCharge(*ARGUMENTS)
        waits = Timeouts(charge_wait_seconds=7, batch_slot_seconds=9)
        orders = connect(
            database, database, saga, lambda: None, max_concurrent_batches=1, timeouts=waits
        )
        assert (await orders.placing.place(placing("PROD-001"))).status == 202
    assert heard == [7, 9]


async def test_who_waited_until_nobody_can_answer_is_shed_before_anything_is_written(
    database_url: Callable[..., str],
) -> None:
    async with Database.open(database_url("orders"), 2) as database:
        orders = connect(
            database, database, SagaWithSlowProduct(), lambda: None, max_concurrent_batches=1
        )
        late, timely = await asyncio.gather(
            *(orders.placing.place(placing("PROD-001", seconds)) for seconds in (0.1, 60.0)),
            return_exceptions=True,
        )
        assert isinstance(late, Unavailable)
        assert not isinstance(timely, BaseException)
        async with database.connection() as tx:
            assert await tx.fetchval("SELECT count(*) FROM orders") == 1


async def test_closing_ends_the_sweeps_that_are_running(
    database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("valerix.chassis.concurrency.single_flight.CLOSE_SECONDS", 0.0)
    async with Database.open(database_url("orders"), 2) as database:
        saga = SagaWithSlowProduct()
        at_once = Timeouts(sweep_wait_seconds=0)
        orders = connect(
            database, database, saga, lambda: None, max_concurrent_batches=1, timeouts=at_once
        )
        await accept(database, accepting(product=SLOW))
        await make_due(database)
        before = asyncio.all_tasks()
        assert await orders.fulfilment.sweep(10, Deadline.after(60)) == 1
        await saga.began.wait()
        await orders.fulfilment.close()
        assert asyncio.all_tasks() == before


async def test_waiting_for_an_open_breaker_is_told_once(database_url: Callable[..., str]) -> None:
    """The history has one entry, however often an order meets the open breaker."""

    class Withheld(Saga):
        async def run(
            self, runs: Sequence[SagaRun], deadline: Deadline, wait_seconds: float
        ) -> None:
            for run in runs:
                run.decision = decisions.waiting(
                    run.order, "x_unavailable", BreakerOpen("x", 0).reason, 0.0, RETRY, 0.0
                )

    async with Database.open(database_url("orders"), 2) as database:
        saga = Withheld(*ARGUMENTS)
        orders = connect(database, database, saga, lambda: None, max_concurrent_batches=1)
        placed = await orders.placing.place(placing("PROD-001"))
        assert placed.status == 202
        for _ in range(3):
            assert await orders.fulfilment.sweep(10, Deadline.after(60)) == 1
        order = await orders.queries.get(placed.order_id, None)
        _, events = await orders.queries.timeline(order.id, None, after=0, limit=9)
        assert [event.type for event in events] == ["order.created", "order.delayed"]
        assert (order.error_message, order.attempts) == ("Circuit breaker is open", 3)
        async with database.connection() as tx:
            assert await CHANGES.find_due_in(tx, order.id) is not None
        await orders.fulfilment.close()
