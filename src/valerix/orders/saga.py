"""One pass of the order saga over a list of orders: customer, stock, payment - the pivot - and backwards when it fails.

Every call names its order and may be repeated: what was done before is found, not done again. A pass only finds out;
what it found is written by the use case, if nobody else took the order over meanwhile.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar, assert_never

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import Attempt, BreakerOpen, CallFailed, HttpClient, Refused, Report, Withheld
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.cache import TtlCache
from valerix.contracts import commands
from valerix.contracts.states import OrderStatus, PaymentStatus, ReservationStatus
from valerix.orders import domain, metrics
from valerix.orders.domain import Decision, Pass, Retry, Step

T = TypeVar("T")
STEPS = ("validate_customer", "reserve_stock", "charge", "void_payment", "release_stock", "ship")
DONE = {step: Point(f"saga.{step}.done") for step in STEPS}
_standings = msgspec.json.Decoder(commands.CustomersChecked)
_reserved = msgspec.json.Decoder(commands.ReserveOutcomes)
_released = msgspec.json.Decoder(commands.ReservationStates)
_payments = msgspec.json.Decoder(commands.PaymentOutcomes)


@dataclass(frozen=True)
class Services:
    """The services a saga calls."""

    users: HttpClient
    inventory: HttpClient
    payments: HttpClient


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
    ) -> None:
        self._services = services
        self._directory = directory
        self._hold = hold
        self._dwell = dwell
        self._retry = retry
        self._valid_customers: TtlCache[str, None] = TtlCache(customer_ttl_seconds, capacity=100_000)

    async def run(self, passes: Sequence[Pass], deadline: Deadline, patience: float) -> None:
        """Drive every pass to a decision, or leave it `charging` when its payment takes longer than `patience` s."""
        for p in passes:
            if p.order.cancel_reason is not None and p.order.status.cancellable:
                p.decision, p.compensate = domain.cancelled(p.order.cancel_reason), True
        await self._fulfil([p for p in _open(passes) if p.order.status in domain.NEXT], deadline)
        await self._validate_customers(_open(passes), deadline)
        await self._reserve_stock(_open(passes), deadline)
        await self._charge(_open(passes), deadline, patience)
        await self._compensate([p for p in passes if p.compensate], deadline)

    async def resume(self, passes: list[Pass], deadline: Deadline, patience: float) -> None:
        """Ask once more about the payments these passes are still waiting for."""
        await self._charge(passes, deadline, patience)
        await self._compensate([p for p in passes if p.compensate], deadline)

    def give_up(self, p: Pass) -> None:
        """Leave a payment that is still not decided to the worker."""
        p.decision = self._postpone(p, "payment_processing", "The payment is still being processed")

    def fulfil_unaided(self, passes: Sequence[Pass]) -> None:
        """Decide about orders whose next step needs nobody. Asks nobody, so a transaction may be open."""
        for p in passes:
            p.decision = domain.fulfilled(p.order, self._dwell)

    # --- forwards

    async def _validate_customers(self, passes: list[Pass], deadline: Deadline) -> None:
        unsure = [p for p in passes if not self._valid_customers.has(p.order.customer_id)]
        if not unsure:
            return
        told = await self._directory(list({p.order.customer_id for p in unsure}))
        for p in unsure:
            if standing := told.get(p.order.customer_id):
                self._judge_customer(p, commands.CustomerStanding(p.order.customer_id, standing == "active", standing))
        await self._ask_for_customers([p for p in unsure if p.order.customer_id not in told], deadline)

    async def _ask_for_customers(self, passes: list[Pass], deadline: Deadline) -> None:
        """Customers nobody has told of yet."""
        if not passes:
            return
        ids = list({p.order.customer_id for p in passes})

        async def call(report: Report) -> dict[str, commands.CustomerStanding]:
            command = commands.CheckCustomers(ids)
            users = self._services.users
            reply = await users.post(commands.CHECK_CUSTOMERS, command, _standings, deadline=deadline, report=report)
            return {standing.customer_id: standing for standing in reply.outcomes}

        standings = await self._attempt(passes, "validate_customer", call)
        if standings is not None:
            for p in passes:
                self._judge_customer(p, standings[p.order.customer_id])

    def _judge_customer(self, p: Pass, standing: commands.CustomerStanding) -> None:
        if standing.valid:
            self._valid_customers.put(standing.customer_id, None)
            return
        if p.steps:
            p.steps[-1].outcome = standing.reason or "invalid"
        # An earlier pass may have got further before this one found the customer gone.
        p.compensate = p.order.attempts > 0
        if standing.reason == "suspended":
            p.decision = domain.failed(domain.CustomerSuspended, "The customer is suspended")
        else:
            p.decision = domain.failed(domain.UnknownCustomer, "There is no customer with this number")

    async def _reserve_stock(self, passes: list[Pass], deadline: Deadline) -> None:
        if not passes:
            return

        async def call(report: Report) -> list[commands.ReserveOutcome]:
            command = commands.ReserveStocks([_reserve_command(p) for p in passes])
            return (await self._ask_inventory(commands.RESERVE_STOCK, command, _reserved, deadline, report)).outcomes

        outcomes = await self._attempt(passes, "reserve_stock", call)
        for p, outcome in zip(passes, outcomes or [], strict=False):
            self._judge_reservation(p, outcome)

    def _judge_reservation(self, p: Pass, outcome: commands.ReserveOutcome) -> None:
        step = p.steps[-1]
        match outcome:
            case commands.StockReserved():
                step.detail = "idempotent" if outcome.idempotent else None
                p.order.allocations = outcome.allocations
                try:
                    p.order.price(outcome.products)
                except domain.NotChargeable as refusal:
                    p.decision, p.compensate = domain.failed(domain.NotChargeable, refusal.detail), True
            case commands.StockShort():
                short = "; ".join(
                    f"{s.product_id}: {s.requested} wanted, {s.available} left" for s in outcome.shortages
                )
                step.outcome, step.detail = "insufficient_stock", short
                p.decision = domain.short_of_stock(p.order, short, self._hold)
            case commands.ProductsUnknown():
                step.outcome, step.detail = "unknown_product", ", ".join(outcome.product_ids)
                message = f"Unknown product: {', '.join(outcome.product_ids)}"
                p.decision = domain.failed(domain.UnknownProduct, message)
            case commands.ReservationEnded():
                # A pass before this one compensated and died before it could say so: end what it began.
                step.outcome = f"ended: {outcome.state}"
                p.decision = domain.failed(domain.OrderEnded, "The reservation of this order has ended")
                p.compensate = True

    async def _charge(self, passes: list[Pass], deadline: Deadline, patience: float) -> None:
        for p in passes:
            if p.order.total_minor == 0:
                p.decision = domain.confirmed(self._dwell)
        passes = _open(passes)
        if not passes:
            return

        async def call(report: Report) -> list[commands.PaymentOutcome]:
            command = commands.CapturePayments([_capture_command(p) for p in passes], int(patience * 1000))
            payments = self._services.payments
            reply = await payments.post(commands.CAPTURE_PAYMENTS, command, _payments, deadline=deadline, report=report)
            return reply.outcomes

        outcomes = await self._attempt(passes, "charge", call)
        for p, outcome in zip(passes, outcomes or [], strict=False):
            self._judge_payment(p, outcome)

    def _judge_payment(self, p: Pass, outcome: commands.PaymentOutcome) -> None:
        step = p.steps[-1]
        step.outcome = outcome.status
        p.charging = False
        match outcome.status:
            case PaymentStatus.CAPTURED:
                step.detail = "idempotent" if outcome.idempotent else None
                p.order.payment_id = outcome.payment_id
                p.decision = domain.confirmed(self._dwell)
            case PaymentStatus.PROCESSING if outcome.reason is not None:
                p.decision = self._postpone(p, "payment_processing", "The payment provider gives no answer now")
            case PaymentStatus.PROCESSING:
                p.charging = True
            case PaymentStatus.DECLINED:
                step.detail = outcome.reason
                p.order.payment_id = outcome.payment_id
                p.decision = domain.failed(domain.PaymentDeclined, _decline_message(outcome))
                p.compensate = True
            case PaymentStatus.VOIDED | PaymentStatus.REFUNDED | PaymentStatus.PARTIALLY_REFUNDED:
                # A pass before this one compensated and died before it could say so.
                p.decision = domain.failed(domain.OrderEnded, "The payment of this order has ended")
                p.compensate = True
            case _:
                assert_never(outcome.status)

    async def _fulfil(self, passes: list[Pass], deadline: Deadline) -> None:
        """One step through the warehouse; leaving it takes the goods off the stock."""
        leaving = [p for p in passes if not p.order.unaided]
        states = await self._end_reservations(commands.COMMIT_STOCK, "ship", leaving, deadline)
        for p in _open(passes):
            if states.get(p.order.id, ReservationStatus.COMMITTED) is ReservationStatus.COMMITTED:
                p.decision = domain.fulfilled(p.order, self._dwell)
            else:
                p.decision = self._postpone(p, "reservation_lost", f"The reservation is {states[p.order.id]}")

    # --- backwards

    async def _compensate(self, passes: list[Pass], deadline: Deadline) -> None:
        """Void first: only when it is certain that no money is kept may the stock go back.

        What is paid and on its way through the warehouse goes the other way round: whoever gets hold of the goods
        first, wins.
        """
        in_warehouse = [p for p in passes if p.order.status in domain.NEXT]
        await self._release_stock(in_warehouse, deadline)
        await self._void_payments([p for p in passes if p.compensate], deadline)
        await self._release_stock([p for p in passes if p.compensate and p not in in_warehouse], deadline)

    async def _void_payments(self, passes: list[Pass], deadline: Deadline) -> None:
        if not passes:
            return

        async def call(report: Report) -> list[commands.PaymentOutcome]:
            reasons = [p.decision.error_message if p.decision else None for p in passes]
            command = commands.VoidPayments(
                [
                    commands.VoidPayment(p.order.id, r or OrderStatus.CANCELLED)
                    for p, r in zip(passes, reasons, strict=True)
                ]
            )
            payments = self._services.payments
            reply = await payments.post(commands.VOID_PAYMENTS, command, _payments, deadline=deadline, report=report)
            return reply.outcomes

        outcomes = await self._attempt(passes, "void_payment", call)
        for p, outcome in zip(passes, outcomes or [], strict=False):
            p.steps[-1].outcome = outcome.status
            if outcome.status is PaymentStatus.PROCESSING:
                p.compensate = False
                p.decision = self._postpone(p, "payment_processing", "The outcome of the payment is not known yet")
            elif (
                outcome.status is PaymentStatus.DECLINED
                and p.decision
                and p.decision.error_code == domain.OrderEnded.code
            ):
                p.decision = domain.failed(domain.PaymentDeclined, _decline_message(outcome))

    async def _release_stock(self, passes: list[Pass], deadline: Deadline) -> None:
        states = await self._end_reservations(commands.RELEASE_STOCK, "release_stock", passes, deadline)
        for p in passes:
            if states.get(p.order.id) is ReservationStatus.COMMITTED:
                p.decision, p.compensate = domain.shipped_after_all(self._dwell), False
            elif p.order.id in states:
                p.order.allocations = None

    async def _end_reservations(
        self, path: str, step: str, passes: list[Pass], deadline: Deadline
    ) -> dict[str, ReservationStatus]:
        """Release or commit; the state of each reservation by order, empty when the call failed."""
        if not passes:
            return {}

        async def call(report: Report) -> list[commands.ReservationState]:
            command = commands.OrderRefs([p.order.id for p in passes])
            return (await self._ask_inventory(path, command, _released, deadline, report)).outcomes

        outcomes = await self._attempt(passes, step, call)
        for p, outcome in zip(passes, outcomes or [], strict=False):
            p.steps[-1].outcome = outcome.state
        return {outcome.order_id: outcome.state for outcome in outcomes or []}

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

    async def _attempt(self, passes: list[Pass], name: str, call: Callable[[Report], Awaitable[T]]) -> T | None:
        """Make one call for all passes and note its attempts in each; when it fails, all wait and say why."""
        attempts: list[Attempt] = []
        result, failure = None, None
        try:
            result = await call(attempts.append)
            await DONE[name].passed()
        except CallFailed as error:
            failure = error
        if isinstance(failure, Withheld):
            attempts.append(Attempt(datetime.now(UTC), 0.0, failure))
        for p in passes:
            number = sum(step.name == name for step in p.steps)
            p.steps += [_step(name, number + place, attempt) for place, attempt in enumerate(attempts, 1)]
            if failure is not None:
                p.compensate = False
                p.decision = self._wait_for(p, failure)
        return result

    def _wait_for(self, p: Pass, failure: CallFailed) -> Decision:
        code = f"{failure.dependency}_unavailable"
        if isinstance(failure, BreakerOpen):
            jitter = random.random()  # noqa: S311 - spreading load, no secret
            return domain.waiting(p.order, code, failure.reason, failure.retry_after_seconds, self._retry, jitter)
        kind = "refused the call" if isinstance(failure, Refused) else "is not available"
        return self._postpone(p, code, f"{failure.dependency.capitalize()} {kind}: {failure.reason}")

    def _postpone(self, p: Pass, code: str, message: str) -> Decision:
        jitter = random.random()  # noqa: S311 - spreading load, no secret
        return domain.delayed(p.order, code, message, self._retry, jitter)


def _step(name: str, number: int, attempt: Attempt) -> Step:
    failure = attempt.failure
    outcome = "ok" if failure is None else "not_tried" if isinstance(failure, Withheld) else "failed"
    return Step(name, number, outcome, attempt.started_at, attempt.duration_ms, failure.reason if failure else None)


def _open(passes: Sequence[Pass]) -> list[Pass]:
    return [p for p in passes if p.decision is None]


def _reserve_command(p: Pass) -> commands.ReserveStock:
    return commands.ReserveStock(p.order.id, [commands.Line(li.product_id, li.quantity) for li in p.order.lines])


def _capture_command(p: Pass) -> commands.CapturePayment:
    order = p.order
    return commands.CapturePayment(
        order.id, order.customer_id, order.total_minor or 0, order.currency or "", order.payment_method
    )


def _decline_message(outcome: commands.PaymentOutcome) -> str:
    return f"The payment was declined ({outcome.reason or 'no reason given'})"
