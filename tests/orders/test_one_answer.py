"""Every accepted order gets exactly one answer, after its commit.

An order without an answer is driven on by the worker. The saga, the statements and PostgreSQL are
real; the services behind are the table below. At each failpoint the process fails, or hangs until
the caller has gone away.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.orders.statements import SEARCH
from tests.orders.test_domain import RETRY
from tests.support.stock_wait import NO_STOCK_WAIT
from valerix.chassis.base.deadline import Deadline, utc_now
from valerix.chassis.calls.client import Attempt
from valerix.chassis.chaos.points import POINTS
from valerix.chassis.postgres.database import Database
from valerix.contracts import commands
from valerix.contracts.states import OrderStatus, PaymentStatus, ReservationStatus
from valerix.orders.answers import Answer
from valerix.orders.composition import PLANNED, OrderFlows, connect
from valerix.orders.order import OrderLine
from valerix.orders.placing import PlaceRequest, new_order
from valerix.orders.saga import Saga, Services

PREFIXES: Final = ("orders.acc", "orders.fin", "saga.")
STEPS: Final = sorted({name for name in POINTS if name.startswith(PREFIXES)} - {"saga.ship.done"})
METHODS: Final = ("card_ok", "card_declined", "slow")
PRICE: Final = commands.PricedProduct("PROD-001", "Lamp", 500, "USD")
STATUS: Final = {201: OrderStatus.CONFIRMED, 402: OrderStatus.FAILED}


def reserved(command: commands.ReserveStock) -> commands.StockReserved:
    allocations = [
        commands.Allocation(line.product_id, "EAST", line.quantity) for line in command.lines
    ]
    return commands.StockReserved(command.order_id, allocations, [PRICE])


class Peers:
    """Peers with known customers and endless stock.

    A payment is captured, declined, or captured at the third look.
    """

    def __init__(self) -> None:
        self.captured: defaultdict[str, int] = defaultdict(int)
        self._looks: defaultdict[str, int] = defaultdict(int)

    async def post(
        self, path: str, body: Any, answer: Any, *, deadline: Any = None, report: Any = None
    ) -> Any:
        await asyncio.sleep(0)
        report(Attempt(utc_now(), 1.0, None))
        match path:
            case commands.CHECK_CUSTOMERS:
                return commands.CustomersChecked(
                    [commands.CustomerStanding(c, True) for c in body.customer_ids]
                )
            case commands.RESERVE_STOCK:
                return commands.ReserveOutcomes([reserved(command) for command in body.commands])
            case commands.CAPTURE_PAYMENTS:
                return commands.PaymentOutcomes(
                    [self._capture(command) for command in body.commands]
                )
            case commands.VOID_PAYMENTS:
                return commands.PaymentOutcomes(
                    [
                        commands.PaymentOutcome(c.order_id, c.order_id, PaymentStatus.DECLINED)
                        for c in body.commands
                    ]
                )
            case _:
                released = [
                    commands.ReservationState(i, ReservationStatus.RELEASED) for i in body.order_ids
                ]
                return commands.ReservationStates(released)

    def _capture(self, command: commands.CapturePayment) -> commands.PaymentOutcome:
        order_id = command.order_id
        self._looks[order_id] += 1
        status = PaymentStatus.CAPTURED
        if command.method == "card_declined":
            status = PaymentStatus.DECLINED
        elif command.method == "slow" and self._looks[order_id] < 3:
            status = PaymentStatus.PROCESSING
        self.captured[order_id] |= status is PaymentStatus.CAPTURED
        return commands.PaymentOutcome(order_id, order_id, status)


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4, PLANNED) as opened:
        yield opened


async def directory(_: list[str]) -> dict[str, str]:
    return {}


def open_flows(database: Database, peers: Peers) -> OrderFlows:
    saga = Saga(
        Services(peers, peers, peers), directory, NO_STOCK_WAIT, timedelta(hours=1), RETRY, 0
    )
    return connect(database, database, saga, lambda: None, max_concurrent_batches=2, max_batch=4)


def request(number: int) -> PlaceRequest:
    """Return a request; every fourth has the key of the request before it."""
    order = new_order("CUST-001", [OrderLine("PROD-001", 1)], METHODS[number % 3], "reject", None)
    key = b"key %d" % (number - (number % 4 == 3))
    return PlaceRequest(
        order, key, b"%d" % (number - (number % 4 == 3)), "t" * 32, Deadline.after(60)
    )


async def place(
    flows: OrderFlows, database: Database, wanted: PlaceRequest
) -> Answer | BaseException:
    """Return the answer; the state it reports is committed by the time it comes."""
    try:
        answer = await flows.placing.place(wanted)
    except Exception as error:
        return error
    if not answer.replayed and answer.status in STATUS:
        async with database.connection() as tx:
            order = await SEARCH.find_order(tx, answer.order_id, None)
        assert order is not None
        assert order.status is STATUS[answer.status]
    return answer


async def drive_to_the_end(flows: OrderFlows, database: Database) -> None:
    """Sweep as the worker does until nothing is due."""
    for _ in range(10):
        async with database.connection() as tx:
            due = await tx.execute(
                "UPDATE orders SET due_at = now() WHERE status = 'pending' AND due_at IS NOT NULL"
            )
        if due == "UPDATE 0":
            return
        await flows.fulfilment.sweep(100, Deadline.after(60))
    raise AssertionError("orders stay pending")


@pytest.mark.parametrize("how", ["fails", "hangs"])
@pytest.mark.parametrize("step", STEPS)
async def test_an_order_has_one_answer_or_is_driven_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, step: str, how: str
) -> None:
    peers, struck = Peers(), asyncio.Event()
    flows = open_flows(database, peers)

    async def strike() -> None:
        if struck.is_set():
            return
        struck.set()
        if how == "fails":
            raise RuntimeError("killed")
        await asyncio.Event().wait()

    monkeypatch.setattr(POINTS[step], "strike", strike)
    placing = [asyncio.create_task(place(flows, database, request(number))) for number in range(24)]
    done, hanging = await asyncio.wait(placing, timeout=3 if how == "hangs" else 30)
    for task in hanging:  # their callers go away
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    answers = [task.result() for task in done]
    assert how == "hangs" or not hanging, "a request was never answered"
    assert struck.is_set(), "the failpoint was not passed"
    await drive_to_the_end(open_flows(database, peers), database)
    async with database.connection() as tx:
        rows = await tx.fetch(
            "SELECT id::text, status, payment_method, idempotency_key FROM orders"
        )
    ends = {row["id"]: OrderStatus(row["status"]) for row in rows}
    assert len({row["idempotency_key"] for row in rows}) == len(rows), "a key made two orders"
    for row in rows:
        declined = row["payment_method"] == "card_declined"
        assert ends[row["id"]] is (OrderStatus.FAILED if declined else OrderStatus.CONFIRMED)
        assert peers.captured[row["id"]] == (not declined)
    for answer in answers:
        if isinstance(answer, Answer):
            assert answer.order_id in ends, "an answered order is gone"
            assert ends[answer.order_id] is STATUS.get(answer.status, ends[answer.order_id])
