"""One run of the order saga over a list of orders: customer, stock, payment.

The payment is the pivot; a run that fails goes backwards. Every call names its order and may be
repeated: an earlier effect is found, not done again. A run only decides; the use case writes the
decision, unless the order was taken over meanwhile.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, assert_never

import msgspec

from valerix.chassis.base.deadline import Deadline, Now, utc_now
from valerix.chassis.calls.client import Attempt, BreakerOpen, Report
from valerix.chassis.calls.peers import Peer
from valerix.chassis.concurrency.cache import TtlCache
from valerix.contracts import commands
from valerix.contracts.states import PaymentStatus, ReservationStatus
from valerix.orders import decisions, errors, metrics, requests
from valerix.orders.calls import StepCalls
from valerix.orders.decisions import NOTHING_TO_UNDO, Retry, SagaRun, StockWait
from valerix.orders.transitions import AT_REST, FULFILMENT_STEPS

T = TypeVar("T")
_standings = msgspec.json.Decoder(commands.CustomersChecked)
_reserved = msgspec.json.Decoder(commands.ReserveOutcomes)
_released = msgspec.json.Decoder(commands.ReservationStates)
_payments = msgspec.json.Decoder(commands.PaymentOutcomes)


@dataclass(frozen=True)
class Services:
    """The services a saga calls."""

    users: Peer
    inventory: Peer
    payments: Peer


Fix = Callable[[Sequence[commands.PricedProduct]], None]
Directory = Callable[[list[str]], Awaitable[dict[str, str]]]
"""Returns the standing (`active`, `suspended`) of customers that events have described."""


class Saga:
    """The sequence of steps, readable from top to bottom in `run`."""

    def __init__(
        self,
        services: Services,
        directory: Directory,
        stock_wait: StockWait,
        dwell: timedelta,
        retry: Retry,
        customer_ttl_seconds: float,
        now: Now = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` returns numbers in [0, 1), which spread load."""
        self.services = services
        self._directory = directory
        self._stock_wait = stock_wait
        self._now = now
        self._dwell = dwell
        self._calls = StepCalls(retry, now, chance)
        self._postpone = self._calls.postpone
        self._valid_customers: TtlCache[str, None] = TtlCache(
            customer_ttl_seconds, capacity=100_000
        )

    async def run(self, runs: Sequence[SagaRun], deadline: Deadline, wait_seconds: float) -> None:
        """Drive every run to a decision.

        A run is left `charging` if its payment takes longer than `wait_seconds`.
        """
        for run in runs:
            if run.order.status in AT_REST:
                run.decision = decisions.left_alone(run.order)
            elif run.order.cancel_reason is not None and run.order.status.cancellable:
                run.decision, run.compensate = decisions.cancelled(run.order.cancel_reason), True
        await self._fulfil(
            [run for run in _open(runs) if run.order.status in FULFILMENT_STEPS], deadline
        )
        await self._validate_customers(_open(runs), deadline)
        await self._reserve_stock(_open(runs), deadline)
        await self._charge(_open(runs), deadline, wait_seconds)
        await self._compensate([run for run in runs if run.compensate], deadline)

    async def resume(self, runs: list[SagaRun], deadline: Deadline, wait_seconds: float) -> None:
        """Request the payments again that these runs still wait for."""
        await self._charge(runs, deadline, wait_seconds)
        await self._compensate([run for run in runs if run.compensate], deadline)

    def give_up(self, run: SagaRun) -> None:
        """Leave a payment that is still not decided to the worker."""
        run.decision = self._postpone(
            run, "payment_processing", "The payment is still being processed"
        )

    def fulfil_locally(self, runs: Sequence[SagaRun]) -> None:
        """Decide about orders with a local next step, so that a transaction may be open."""
        for run in runs:
            run.decision = decisions.fulfilled(run.order, self._dwell)

    # --- forwards

    async def _validate_customers(self, runs: list[SagaRun], deadline: Deadline) -> None:
        unsure = [run for run in runs if not self._valid_customers.has(run.order.customer_id)]
        if not unsure:
            return
        standings = await self._directory(list({run.order.customer_id for run in unsure}))
        for run in unsure:
            if standing := standings.get(run.order.customer_id):
                self._judge_customer(
                    run,
                    commands.CustomerStanding(
                        run.order.customer_id, standing == "active", standing
                    ),
                )
        await self._ask_for_customers(
            [run for run in unsure if run.order.customer_id not in standings], deadline
        )

    async def _ask_for_customers(self, runs: list[SagaRun], deadline: Deadline) -> None:
        """Check customers that no event has described yet."""
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.CustomerStanding]:
            command = commands.CheckCustomers(list({run.order.customer_id for run in some}))
            users = self.services.users
            reply = await users.post(
                commands.CHECK_CUSTOMERS, command, _standings, deadline=deadline, report=report
            )
            standings = {standing.customer_id: standing for standing in reply.outcomes}
            return [standings[run.order.customer_id] for run in some]

        for run, standing in await self._calls.make(runs, "validate_customer", call):
            self._judge_customer(run, standing)

    def _judge_customer(self, run: SagaRun, standing: commands.CustomerStanding) -> None:
        if standing.valid:
            self._valid_customers.put(standing.customer_id, None)
            return
        if run.steps:
            run.steps[-1].outcome = standing.reason or "invalid"
        run.compensate = run.order.driven_before
        if standing.reason == "suspended":
            run.decision = decisions.failed(errors.CustomerSuspended, "The customer is suspended")
        else:
            run.decision = decisions.failed(
                errors.UnknownCustomer, "There is no customer with this number"
            )

    async def _reserve_stock(self, runs: list[SagaRun], deadline: Deadline) -> None:
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.ReserveOutcome]:
            command = commands.ReserveStocks([requests.reserve(run.order) for run in some])
            return (
                await self._ask_inventory(
                    commands.RESERVE_STOCK, command, _reserved, deadline, report
                )
            ).outcomes

        for run, outcome in await self._calls.make(runs, "reserve_stock", call):
            self._judge_reservation(run, outcome)

    def _judge_reservation(self, run: SagaRun, outcome: commands.ReserveOutcome) -> None:
        step = run.steps[-1]
        match outcome:
            case commands.StockReserved():
                step.detail = "idempotent" if outcome.idempotent else None
                if not run.order.is_reserved_by(outcome.allocations):
                    # The stock is reserved for lines that were changed meanwhile; a reservation
                    # cannot be changed or made again.
                    run.decision = decisions.failed(
                        errors.OrderEnded, "The stock was reserved for other lines"
                    )
                    run.compensate = True
                    return
                run.order.allocations = outcome.allocations
                self._price(run, run.order.price, outcome.products)
                run.compensate = run.decision is not None
            case commands.StockShort():
                short = "; ".join(
                    f"{s.product_id}: {s.requested} wanted, {s.available} left"
                    for s in outcome.shortages
                )
                step.outcome, step.detail = "insufficient_stock", short
                run.decision = decisions.short_of_stock(
                    run.order, short, self._stock_wait, self._now(), asked=run.asked
                )
                if outcome.products:
                    self._price(run, run.order.quote, outcome.products)
                waits = run.order.backordered or run.order.driven_before
                run.compensate = waits and run.decision.status in AT_REST
            case commands.ProductsUnknown():
                step.outcome, step.detail = "unknown_product", ", ".join(outcome.product_ids)
                message = f"Unknown product: {', '.join(outcome.product_ids)}"
                run.decision = decisions.failed(errors.UnknownProduct, message)
                run.compensate = run.order.driven_before
            case commands.ReservationEnded():
                # An earlier run compensated and died before it could write this: end its work.
                step.outcome = f"ended: {outcome.state}"
                run.decision = decisions.failed(
                    errors.OrderEnded, "The reservation of this order has ended"
                )
                run.compensate = True

    def _price(self, run: SagaRun, fix: Fix, products: list[commands.PricedProduct]) -> None:
        try:
            fix(products)
        except errors.UNPAYABLE as refusal:
            run.decision = decisions.failed(type(refusal), refusal.detail)

    async def _charge(self, runs: list[SagaRun], deadline: Deadline, wait_seconds: float) -> None:
        for run in runs:
            if run.order.total_minor == 0:
                run.decision = decisions.confirmed(self._dwell)
        runs = _open(runs)
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.PaymentOutcome]:
            command = commands.CapturePayments(
                [requests.capture(run.order) for run in some], int(wait_seconds * 1000)
            )
            payments = self.services.payments
            reply = await payments.post(
                commands.CAPTURE_PAYMENTS, command, _payments, deadline=deadline, report=report
            )
            return reply.outcomes

        for run, outcome in await self._calls.make(runs, "charge", call):
            self._judge_payment(run, outcome)

    def _judge_payment(self, run: SagaRun, outcome: commands.PaymentOutcome) -> None:
        step = run.steps[-1]
        step.outcome = outcome.status
        run.charging = False
        match outcome.status:
            case PaymentStatus.CAPTURED:
                step.detail = "idempotent" if outcome.idempotent else None
                run.order.payment_id = outcome.payment_id
                run.decision = decisions.confirmed(self._dwell)
            case PaymentStatus.PROCESSING if outcome.reason is not None:
                run.decision = self._postpone(
                    run, "payment_processing", "The payment provider does not answer now"
                )
            case PaymentStatus.PROCESSING:
                run.charging = True
            case PaymentStatus.DECLINED:
                step.detail = outcome.reason
                run.order.payment_id = outcome.payment_id
                run.decision = decisions.failed(errors.PaymentDeclined, _decline_message(outcome))
                run.compensate = True
            case PaymentStatus.VOIDED | PaymentStatus.REFUNDED | PaymentStatus.PARTIALLY_REFUNDED:
                # An earlier run compensated and died before it could write this.
                run.decision = decisions.failed(
                    errors.OrderEnded, "The payment of this order has ended"
                )
                run.compensate = True
            case _:
                assert_never(outcome.status)

    async def _fulfil(self, runs: list[SagaRun], deadline: Deadline) -> None:
        """Decide one step through the warehouse.

        The step that leaves the warehouse takes the goods off the stock.
        """
        leaving = [run for run in runs if not run.order.local_step]
        states = await self._end_reservations(commands.COMMIT_STOCK, "ship", leaving, deadline)
        for run in _open(runs):
            if states.get(run.order.id, ReservationStatus.COMMITTED) is ReservationStatus.COMMITTED:
                run.decision = decisions.fulfilled(run.order, self._dwell)
            else:
                run.decision = self._postpone(
                    run, "reservation_lost", f"The reservation is {states[run.order.id]}"
                )

    # --- backwards

    async def _compensate(self, runs: list[SagaRun], deadline: Deadline) -> None:
        """Void payments, then release stock.

        Void first: the stock may go back only when it is certain that no money is kept. For a paid
        order in the warehouse it is the other way round: shipping and cancelling both claim the
        goods, and the first claim wins.
        """
        in_warehouse = [run for run in runs if run.order.status in FULFILMENT_STEPS]
        await self._release_stock(in_warehouse, deadline)
        await self._void_payments([run for run in runs if run.compensate], deadline)
        await self._release_stock(
            [run for run in runs if run.compensate and run not in in_warehouse], deadline
        )

    async def _void_payments(self, runs: list[SagaRun], deadline: Deadline) -> None:
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.PaymentOutcome]:
            reasons = [run.decision.error_message if run.decision else None for run in some]
            command = commands.VoidPayments(
                [
                    requests.void(run.order, reason)
                    for run, reason in zip(some, reasons, strict=True)
                ]
            )
            payments = self.services.payments
            reply = await payments.post(
                commands.VOID_PAYMENTS, command, _payments, deadline=deadline, report=report
            )
            return reply.outcomes

        for run, outcome in await self._calls.make(runs, "void_payment", call):
            run.steps[-1].outcome = NOTHING_TO_UNDO if outcome.empty else outcome.status
            if outcome.status is PaymentStatus.PROCESSING:
                run.compensate = False
                run.decision = self._postpone(
                    run, "payment_processing", "The outcome of the payment is not known yet"
                )
            elif (
                outcome.status is PaymentStatus.DECLINED
                and run.decision
                and run.decision.error_code == errors.OrderEnded.code
            ):
                run.decision = decisions.failed(errors.PaymentDeclined, _decline_message(outcome))

    async def _release_stock(self, runs: list[SagaRun], deadline: Deadline) -> None:
        states = await self._end_reservations(
            commands.RELEASE_STOCK, "release_stock", runs, deadline
        )
        for run in runs:
            if states.get(run.order.id) is ReservationStatus.COMMITTED:
                run.decision, run.compensate = decisions.shipped_after_all(self._dwell), False
            elif run.order.id in states:
                run.order.allocations = None

    async def _end_reservations(
        self, path: str, step: str, runs: list[SagaRun], deadline: Deadline
    ) -> dict[str, ReservationStatus]:
        """Release or commit; return the states by order, without orders of a failed call."""
        if not runs:
            return {}

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.ReservationState]:
            command = commands.OrderRefs([run.order.id for run in some])
            return (await self._ask_inventory(path, command, _released, deadline, report)).outcomes

        states = {}
        for run, outcome in await self._calls.make(runs, step, call):
            states[run.order.id] = outcome.state
            released_nothing = outcome.empty and outcome.state is ReservationStatus.RELEASED
            run.steps[-1].outcome = NOTHING_TO_UNDO if released_nothing else outcome.state
        return states

    async def _ask_inventory(
        self,
        path: str,
        command: msgspec.Struct,
        answer: "msgspec.json.Decoder[T]",
        deadline: Deadline,
        report: Report,
    ) -> T:
        """Call inventory, and count the attempts in the metrics."""

        def count(attempt: Attempt) -> None:
            metrics.inventory_calls.labels("failed" if attempt.failure else "success").inc()
            report(attempt)

        try:
            return await self.services.inventory.post(
                path, command, answer, deadline=deadline, report=count
            )
        except BreakerOpen:
            metrics.inventory_calls.labels("circuit_open").inc()
            raise


def _open(runs: Sequence[SagaRun]) -> list[SagaRun]:
    return [run for run in runs if run.decision is None]


def _decline_message(outcome: commands.PaymentOutcome) -> str:
    return f"The payment was declined ({outcome.reason or 'no reason given'})"
