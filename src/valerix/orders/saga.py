"""One pass of the order saga over a list of orders: customer, stock, payment - the pivot - and backwards when it fails.

Every call names its order and may be repeated: what was done before is found, not done again. A pass only finds out;
what it found is written by the use case, if nobody else took the order over meanwhile.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol, TypeVar, assert_never

import msgspec

from valerix.chassis.base.deadline import Deadline, Now, utc_now
from valerix.chassis.calls.client import Attempt, BreakerOpen, CallFailed, Refused, Report, Unacceptable, Withheld
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.cache import TtlCache
from valerix.chassis.concurrency.halves import by_halves
from valerix.contracts import commands
from valerix.contracts.states import PaymentStatus, ReservationStatus
from valerix.orders import decisions, errors, metrics, requests
from valerix.orders.decisions import Decision, Retry, SagaRun, Step
from valerix.orders.transitions import AT_REST, FULFILMENT_STEPS

T = TypeVar("T")
STEPS = ("validate_customer", "reserve_stock", "charge", "void_payment", "release_stock", "ship")
DONE = {step: Point(f"saga.{step}.done") for step in STEPS}
_standings = msgspec.json.Decoder(commands.CustomersChecked)
_reserved = msgspec.json.Decoder(commands.ReserveOutcomes)
_released = msgspec.json.Decoder(commands.ReservationStates)
_payments = msgspec.json.Decoder(commands.PaymentOutcomes)


class Peer(Protocol):
    """A service that is called (HttpClient)."""

    async def post(
        self,
        path: str,
        body: msgspec.Struct,
        answer: "msgspec.json.Decoder[T]",
        *,
        deadline: Deadline | None = None,
        report: Report | None = None,
    ) -> T:
        """Raises CallFailed."""


@dataclass(frozen=True)
class Services:
    """The services a saga calls."""

    users: Peer
    inventory: Peer
    payments: Peer


Call = Callable[[Sequence[SagaRun], Report], Awaitable[list[T]]]
"""One call for some runs; an outcome for each of them."""
Directory = Callable[[list[str]], Awaitable[dict[str, str]]]
"""Standing (`active`, `suspended`) of those customers that their events told of."""


class Saga:
    """The sequence, readable top to bottom in `run`."""

    def __init__(
        self,
        services: Services,
        directory: Directory,
        hold: timedelta,
        dwell: timedelta,
        retry: Retry,
        customer_ttl_seconds: float,
        now: Now = utc_now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` in [0, 1) spreads load."""
        self._services = services
        self._directory = directory
        self._hold = hold
        self._dwell = dwell
        self._retry = retry
        self._now = now
        self._chance = chance
        self._valid_customers: TtlCache[str, None] = TtlCache(customer_ttl_seconds, capacity=100_000)

    async def run(self, runs: Sequence[SagaRun], deadline: Deadline, patience: float) -> None:
        """Drive every run to a decision, or leave it `charging` when its payment takes longer than `patience` s."""
        for run in runs:
            if run.order.status in AT_REST:
                run.decision = decisions.left_alone(run.order)
            elif run.order.cancel_reason is not None and run.order.status.cancellable:
                run.decision, run.compensate = decisions.cancelled(run.order.cancel_reason), True
        await self._fulfil([run for run in _open(runs) if run.order.status in FULFILMENT_STEPS], deadline)
        await self._validate_customers(_open(runs), deadline)
        await self._reserve_stock(_open(runs), deadline)
        await self._charge(_open(runs), deadline, patience)
        await self._compensate([run for run in runs if run.compensate], deadline)

    async def resume(self, runs: list[SagaRun], deadline: Deadline, patience: float) -> None:
        """Ask once more about the payments these runs are still waiting for."""
        await self._charge(runs, deadline, patience)
        await self._compensate([run for run in runs if run.compensate], deadline)

    def give_up(self, run: SagaRun) -> None:
        """Leave a payment that is still not decided to the worker."""
        run.decision = self._postpone(run, "payment_processing", "The payment is still being processed")

    def fulfil_locally(self, runs: Sequence[SagaRun]) -> None:
        """Decide about orders whose next step asks no other service, so a transaction may be open."""
        for run in runs:
            run.decision = decisions.fulfilled(run.order, self._dwell)

    # --- forwards

    async def _validate_customers(self, runs: list[SagaRun], deadline: Deadline) -> None:
        unsure = [run for run in runs if not self._valid_customers.has(run.order.customer_id)]
        if not unsure:
            return
        told = await self._directory(list({run.order.customer_id for run in unsure}))
        for run in unsure:
            if standing := told.get(run.order.customer_id):
                self._judge_customer(
                    run, commands.CustomerStanding(run.order.customer_id, standing == "active", standing)
                )
        await self._ask_for_customers([run for run in unsure if run.order.customer_id not in told], deadline)

    async def _ask_for_customers(self, runs: list[SagaRun], deadline: Deadline) -> None:
        """Customers nobody has told of yet."""
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.CustomerStanding]:
            command = commands.CheckCustomers(list({run.order.customer_id for run in some}))
            users = self._services.users
            reply = await users.post(commands.CHECK_CUSTOMERS, command, _standings, deadline=deadline, report=report)
            standings = {standing.customer_id: standing for standing in reply.outcomes}
            return [standings[run.order.customer_id] for run in some]

        for run, standing in await self._attempt(runs, "validate_customer", call):
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
            run.decision = decisions.failed(errors.UnknownCustomer, "There is no customer with this number")

    async def _reserve_stock(self, runs: list[SagaRun], deadline: Deadline) -> None:
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.ReserveOutcome]:
            command = commands.ReserveStocks([requests.reserve(run.order) for run in some])
            return (await self._ask_inventory(commands.RESERVE_STOCK, command, _reserved, deadline, report)).outcomes

        for run, outcome in await self._attempt(runs, "reserve_stock", call):
            self._judge_reservation(run, outcome)

    def _judge_reservation(self, run: SagaRun, outcome: commands.ReserveOutcome) -> None:
        step = run.steps[-1]
        match outcome:
            case commands.StockReserved():
                step.detail = "idempotent" if outcome.idempotent else None
                if not run.order.is_reserved_by(outcome.allocations):
                    # Reserved for lines that were changed meanwhile; a reservation cannot be changed or made again.
                    run.decision = decisions.failed(errors.OrderEnded, "The stock was reserved for other lines")
                    run.compensate = True
                    return
                run.order.allocations = outcome.allocations
                try:
                    run.order.price(outcome.products)
                except errors.NotChargeable as refusal:
                    run.decision, run.compensate = decisions.failed(errors.NotChargeable, refusal.detail), True
            case commands.StockShort():
                short = "; ".join(
                    f"{s.product_id}: {s.requested} wanted, {s.available} left" for s in outcome.shortages
                )
                step.outcome, step.detail = "insufficient_stock", short
                run.decision = decisions.short_of_stock(run.order, short, self._hold)
                run.compensate = run.decision.status in AT_REST and run.order.driven_before
            case commands.ProductsUnknown():
                step.outcome, step.detail = "unknown_product", ", ".join(outcome.product_ids)
                message = f"Unknown product: {', '.join(outcome.product_ids)}"
                run.decision = decisions.failed(errors.UnknownProduct, message)
                run.compensate = run.order.driven_before
            case commands.ReservationEnded():
                # A pass before this one compensated and died before it could say so: end what it began.
                step.outcome = f"ended: {outcome.state}"
                run.decision = decisions.failed(errors.OrderEnded, "The reservation of this order has ended")
                run.compensate = True

    async def _charge(self, runs: list[SagaRun], deadline: Deadline, patience: float) -> None:
        for run in runs:
            if run.order.total_minor == 0:
                run.decision = decisions.confirmed(self._dwell)
        runs = _open(runs)
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.PaymentOutcome]:
            command = commands.CapturePayments([requests.capture(run.order) for run in some], int(patience * 1000))
            payments = self._services.payments
            reply = await payments.post(commands.CAPTURE_PAYMENTS, command, _payments, deadline=deadline, report=report)
            return reply.outcomes

        for run, outcome in await self._attempt(runs, "charge", call):
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
                run.decision = self._postpone(run, "payment_processing", "The payment provider gives no answer now")
            case PaymentStatus.PROCESSING:
                run.charging = True
            case PaymentStatus.DECLINED:
                step.detail = outcome.reason
                run.order.payment_id = outcome.payment_id
                run.decision = decisions.failed(errors.PaymentDeclined, _decline_message(outcome))
                run.compensate = True
            case PaymentStatus.VOIDED | PaymentStatus.REFUNDED | PaymentStatus.PARTIALLY_REFUNDED:
                # A pass before this one compensated and died before it could say so.
                run.decision = decisions.failed(errors.OrderEnded, "The payment of this order has ended")
                run.compensate = True
            case _:
                assert_never(outcome.status)

    async def _fulfil(self, runs: list[SagaRun], deadline: Deadline) -> None:
        """One step through the warehouse; leaving it takes the goods off the stock."""
        leaving = [run for run in runs if not run.order.local_step]
        states = await self._end_reservations(commands.COMMIT_STOCK, "ship", leaving, deadline)
        for run in _open(runs):
            if states.get(run.order.id, ReservationStatus.COMMITTED) is ReservationStatus.COMMITTED:
                run.decision = decisions.fulfilled(run.order, self._dwell)
            else:
                run.decision = self._postpone(run, "reservation_lost", f"The reservation is {states[run.order.id]}")

    # --- backwards

    async def _compensate(self, runs: list[SagaRun], deadline: Deadline) -> None:
        """Void first: only when it is certain that no money is kept may the stock go back.

        What is paid and on its way through the warehouse goes the other way round: whoever gets hold of the goods
        first, wins.
        """
        in_warehouse = [run for run in runs if run.order.status in FULFILMENT_STEPS]
        await self._release_stock(in_warehouse, deadline)
        await self._void_payments([run for run in runs if run.compensate], deadline)
        await self._release_stock([run for run in runs if run.compensate and run not in in_warehouse], deadline)

    async def _void_payments(self, runs: list[SagaRun], deadline: Deadline) -> None:
        if not runs:
            return

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.PaymentOutcome]:
            reasons = [run.decision.error_message if run.decision else None for run in some]
            command = commands.VoidPayments(
                [requests.void(run.order, reason) for run, reason in zip(some, reasons, strict=True)]
            )
            payments = self._services.payments
            reply = await payments.post(commands.VOID_PAYMENTS, command, _payments, deadline=deadline, report=report)
            return reply.outcomes

        for run, outcome in await self._attempt(runs, "void_payment", call):
            run.steps[-1].outcome = outcome.status
            if outcome.status is PaymentStatus.PROCESSING:
                run.compensate = False
                run.decision = self._postpone(run, "payment_processing", "The outcome of the payment is not known yet")
            elif (
                outcome.status is PaymentStatus.DECLINED
                and run.decision
                and run.decision.error_code == errors.OrderEnded.code
            ):
                run.decision = decisions.failed(errors.PaymentDeclined, _decline_message(outcome))

    async def _release_stock(self, runs: list[SagaRun], deadline: Deadline) -> None:
        states = await self._end_reservations(commands.RELEASE_STOCK, "release_stock", runs, deadline)
        for run in runs:
            if states.get(run.order.id) is ReservationStatus.COMMITTED:
                run.decision, run.compensate = decisions.shipped_after_all(self._dwell), False
            elif run.order.id in states:
                run.order.allocations = None

    async def _end_reservations(
        self, path: str, step: str, runs: list[SagaRun], deadline: Deadline
    ) -> dict[str, ReservationStatus]:
        """Release or commit; the state of each reservation by order, without those whose call failed."""
        if not runs:
            return {}

        async def call(some: Sequence[SagaRun], report: Report) -> list[commands.ReservationState]:
            command = commands.OrderRefs([run.order.id for run in some])
            return (await self._ask_inventory(path, command, _released, deadline, report)).outcomes

        states = {}
        for run, outcome in await self._attempt(runs, step, call):
            run.steps[-1].outcome = states[run.order.id] = outcome.state
        return states

    # --- calls

    async def _ask_inventory(
        self, path: str, command: msgspec.Struct, answer: "msgspec.json.Decoder[T]", deadline: Deadline, report: Report
    ) -> T:
        """A call whose attempts are counted for those who watch orders."""

        def count(attempt: Attempt) -> None:
            metrics.inventory_calls.labels("failed" if attempt.failure else "success").inc()
            report(attempt)

        try:
            return await self._services.inventory.post(path, command, answer, deadline=deadline, report=count)
        except BreakerOpen:
            metrics.inventory_calls.labels("circuit_open").inc()
            raise

    async def _attempt(self, runs: Sequence[SagaRun], name: str, call: Call[T]) -> list[tuple[SagaRun, T]]:
        """Make one call for all runs; those it failed for wait and say why, the others come with their outcome.

        A list that is refused for what is in it is sent again in halves, so that an order that is refused waits alone.
        """
        parts = await by_halves(runs, partial(self._ask, name, call), (Unacceptable,))
        answered = [zip(part, outcome, strict=False) for part, outcome in parts if not isinstance(outcome, Exception)]
        return [pair for pairs in answered for pair in pairs]

    async def _ask(self, name: str, call: Call[T], runs: Sequence[SagaRun]) -> list[T]:
        """The outcomes, none when the call failed. Raises Unacceptable."""
        attempts: list[Attempt] = []
        try:
            outcomes = await call(runs, attempts.append)
            await DONE[name].passed()
        except CallFailed as failure:
            unacceptable = isinstance(failure, Unacceptable)
            if unacceptable and len(runs) > 1:
                raise
            if isinstance(failure, Withheld):
                attempts.append(Attempt(self._now(), 0.0, failure))
            _note(runs, name, attempts)
            for run in runs:
                run.compensate = False
                run.decision = self._wait_for(run, failure)
            if unacceptable:
                raise
            return []
        _note(runs, name, attempts)
        return outcomes

    def _wait_for(self, run: SagaRun, failure: CallFailed) -> Decision:
        code = f"{failure.dependency}_unavailable"
        if isinstance(failure, BreakerOpen):
            seconds = failure.retry_after_seconds
            return decisions.waiting(run.order, code, failure.reason, seconds, self._retry, self._chance())
        kind = "refused the call" if isinstance(failure, Refused) else "is not available"
        return self._postpone(run, code, f"{failure.dependency.capitalize()} {kind}: {failure.reason}")

    def _postpone(self, run: SagaRun, code: str, message: str) -> Decision:
        return decisions.delayed(run.order, code, message, self._retry, self._chance())


def _note(runs: Sequence[SagaRun], name: str, attempts: Sequence[Attempt]) -> None:
    for run in runs:
        number = sum(step.name == name for step in run.steps)
        run.steps += [_step(name, number + place, attempt) for place, attempt in enumerate(attempts, 1)]


def _step(name: str, number: int, attempt: Attempt) -> Step:
    failure = attempt.failure
    outcome = "ok" if failure is None else "not_tried" if isinstance(failure, Withheld) else "failed"
    return Step(name, number, outcome, attempt.started_at, attempt.duration_ms, failure.reason if failure else None)


def _open(runs: Sequence[SagaRun]) -> list[SagaRun]:
    return [run for run in runs if run.decision is None]


def _decline_message(outcome: commands.PaymentOutcome) -> str:
    return f"The payment was declined ({outcome.reason or 'no reason given'})"
