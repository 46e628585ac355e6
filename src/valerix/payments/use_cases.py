"""The use cases of payments. Capturing and voiding are written once, over a list."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from valerix.chassis.base import telemetry, timeouts
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.pagination import MAX_LIMIT
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import Batcher
from valerix.chassis.concurrency.single_flight import SingleFlight, result_or, wait_for
from valerix.chassis.messaging.acts import detailed, list_acts, recorded_all
from valerix.chassis.messaging.repository import Act
from valerix.chassis.postgres.database import IMPOSSIBLE, Database, Transaction
from valerix.contracts.acts import RecordedAct
from valerix.contracts.commands import (
    CapturePayment,
    CapturePayments,
    PaymentOutcome,
    PaymentOutcomes,
    VoidPayment,
    VoidPayments,
)
from valerix.contracts.ids import new_id
from valerix.contracts.states import PaymentStatus
from valerix.payments import domain
from valerix.payments.domain import Payment, PaymentEvent, Refund
from valerix.payments.processor import MAX_UNDER_WAY, Processor, event
from valerix.payments.provider import Provider
from valerix.payments.refunds import Refunds
from valerix.payments.repository.payments import PaymentsRepository
from valerix.payments.repository.refunds import RefundsRepository
from valerix.payments.repository.search import PaymentSearchRepository

ANSWER_SHARE: Final = 0.4
"""Share of the answer margin that the answer needs on its way to the calling service."""
OPENED, FORBIDDEN, CANCELLED = (
    Point("payments.opened"),
    Point("payments.forbidden"),
    Point("payments.cancelled"),
)


class OpenedPayment(NamedTuple):
    """The one payment of an order. `fresh`: made by this command."""

    payment: Payment
    fresh: bool


class Opening(NamedTuple):
    """Charges to make. `act`: set when staff make the only charge by hand."""

    commands: Sequence[CapturePayment]
    act: Act | None


class Detail(NamedTuple):
    """A payment with its refunds, its history and the acts on it."""

    payment: Payment
    refunds: list[Refund]
    history: list[PaymentEvent]
    acts: list[RecordedAct]


class PaymentsUseCases:
    """The use cases of the payments service."""

    def __init__(
        self,
        database: Database,
        repository: PaymentsRepository,
        search: PaymentSearchRepository,
        refunded: RefundsRepository,
        provider: Provider,
        processor: Processor,
        refunds: Refunds,
        *,
        timeouts: Timeouts = timeouts.DEFAULT,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._database = database
        self._repository = repository
        self._search = search
        self._refunded = refunded
        self._provider = provider
        self._processor = processor
        self.refunds = refunds
        self._timeouts = timeouts
        self.wait_seconds = timeouts.provider_wait_seconds
        self._lease = timedelta(seconds=timeouts.step_lease_seconds)
        self._make_id = make_id
        self._voiding: SingleFlight[Payment] = SingleFlight(MAX_UNDER_WAY)
        self.openings: Batcher[Opening, list[OpenedPayment]] = Batcher(
            self._open,
            name="capture",
            max_concurrent_batches=2,
            max_batch=16,
            impossible=IMPOSSIBLE,
        )

    async def close(self) -> None:
        """Stop the background work. The rows record what has to be resumed."""
        await asyncio.gather(
            self._voiding.close(), self.refunds.under_way.close(), self._processor.under_way.close()
        )

    # --- capture

    async def capture(
        self, request: CapturePayments, deadline: Deadline, act: Act | None = None
    ) -> PaymentOutcomes:
        """Charge each order only once, ever.

        Payments not decided within `wait_ms` are answered `processing`. The answer has a reason
        when this process has stopped calling the provider for now: then waiting is of no use.
        """
        _shed(self._processor.under_way, len(request.commands))
        known = await self.openings.submit(Opening(request.commands, act))
        driven = {
            k.payment.id: self._processor.drive(k.payment, fresh=k.fresh)
            for k in known
            if k.payment.status is PaymentStatus.PROCESSING
        }
        await wait_for(driven.values(), min(request.wait_ms / 1000, self._left(deadline)))
        given_up = {payment_id for payment_id, task in driven.items() if task.done()}
        return PaymentOutcomes(
            [
                _capture_outcome(c, _now(k, driven), k.fresh, k.payment.id in given_up)
                for c, k in zip(request.commands, known, strict=True)
            ]
        )

    async def await_outcome(self, payment: Payment, deadline: Deadline) -> Payment:
        """Wait for the outcome of a `processing` payment, for at most `wait_seconds`."""
        _shed(self._processor.under_way, 1)
        task = self._processor.drive(payment, fresh=False)
        await wait_for([task], min(self.wait_seconds, self._left(deadline)))
        return result_or(task, payment)

    async def _open(self, openings: list[Opening]) -> list[list[OpenedPayment]]:
        """Commit a `processing` row for every new order before any call to the provider.

        Finds the existing payments of the other orders.
        """
        wanted = [
            domain.new_payment(self._make_id(), command)
            for each in openings
            for command in each.commands
        ]
        by_hand = [each.act for each in openings for _ in each.commands]
        acts = [_act_on(payment, act) for payment, act in zip(wanted, by_hand, strict=True)]

        async def insert(tx: Transaction) -> set[str]:
            return await recorded_all(
                tx,
                acts,
                lambda: self._repository.insert_payments(tx, wanted, self._lease),
                lambda made: [payment.id in made for payment in wanted],
            )

        made = await self._database.repeat(insert)
        await OPENED.passed()
        known = iter(await self._known(wanted, made))
        return [[next(known) for _ in each.commands] for each in openings]

    async def _known(self, wanted: list[Payment], made: set[str]) -> list[OpenedPayment]:
        """The valid payment for each of `wanted`: itself if it was made, else that of its order."""
        by_order = {p.order_id: p for p in wanted if p.id in made}
        if rest := [p.order_id for p in wanted if p.order_id not in by_order]:
            rows = await self._database.repeat(lambda tx: self._repository.list_by_orders(tx, rest))
            by_order |= {p.order_id: p for p in rows}
        return [OpenedPayment(by_order[p.order_id], p.id in made) for p in wanted]

    # --- void

    async def void(self, request: VoidPayments, deadline: Deadline) -> PaymentOutcomes:
        """Make sure that no money is taken or kept. `processing`: not certain yet, call again."""
        _shed(self._voiding, len(request.commands))
        known = await self._forbid(request.commands)
        voided = {
            k.payment.id: self._void(k.payment, command.reason)
            for command, k in zip(request.commands, known, strict=True)
            if k.payment.status is PaymentStatus.PROCESSING or k.payment.status.holds_money
        }
        await wait_for(voided.values(), min(self._timeouts.step_wait_seconds, self._left(deadline)))
        return PaymentOutcomes(
            [_void_outcome(_now(k, voided), k.fresh or k.payment.id in voided) for k in known]
        )

    async def _forbid(self, commands: Sequence[VoidPayment]) -> list[OpenedPayment]:
        """Insert tombstones for orders without a payment.

        A late capture finds the tombstone and is refused forever.
        """
        wanted = [
            domain.tombstone(self._make_id(), command.order_id, command.reason)
            for command in commands
        ]
        events = [event(payment) for payment in wanted]
        made = await self._database.repeat(
            lambda tx: self._repository.insert_tombstones(tx, events)
        )
        await FORBIDDEN.passed()
        return await self._known(wanted, made)

    def _void(self, payment: Payment, reason: str) -> "asyncio.Task[Payment]":
        async def work() -> Payment:
            undecided = payment.status is PaymentStatus.PROCESSING
            now = await self._cancel(payment, reason) if undecided else payment
            return await self.refunds.refund_rest(now, reason) if now.status.holds_money else now

        return self._voiding.join(payment.id, work)

    async def _cancel(self, payment: Payment, reason: str) -> Payment:
        """Cancel an undecided payment at the provider.

        Only the provider can guarantee that no charge is on its way: it refuses the reference from
        now on.
        """
        reference = payment.provider_reference
        charge = await self._provider.until_definite(
            lambda: self._provider.cancel(reference), reference
        )
        await CANCELLED.passed()
        return payment if charge is None else await self._processor.settle(payment, charge, reason)

    def _left(self, deadline: Deadline) -> float:
        return deadline.remaining() - ANSWER_SHARE * self._timeouts.answer_margin_seconds

    # --- in the background

    async def resolve_due(self, limit: int) -> int:
        """Take over payments and refunds without an outcome in time; return their number."""
        telemetry.trace_id.set(telemetry.new_trace_id())
        count = min(limit, self._processor.under_way.free_places())
        due = await self._database.repeat(
            lambda tx: self._repository.claim_due_payments(tx, count, self._lease)
        )
        for payment in due:
            self._processor.drive(payment, fresh=False)
        return len(due) + await self.refunds.resolve_due(limit)

    # --- reading

    async def get(self, payment_id: str, owner_id: str | None, limit: int = MAX_LIMIT) -> Detail:
        """Get a payment with its first refunds and events; with `owner_id`, only one of that owner.

        Raises PaymentNotFound.
        """
        async with self._database.connection() as tx:
            payment = await self._find(tx, payment_id, owner_id)
            refunds = await self._refunded.list_refunds(tx, payment_id, limit=limit)
            history = await self._search.list_events(tx, payment_id, limit=limit)
            return Detail(payment, refunds, history, await list_acts(tx, [payment_id]))

    async def list_refunds(
        self, payment_id: str, owner_id: str | None, *, after: str | None, limit: int
    ) -> tuple[list[Refund], list[RecordedAct]]:
        """List refunds of a payment after the id `after`, oldest first, with the acts on it.

        Raises PaymentNotFound.
        """
        async with self._database.connection() as tx:
            await self._find(tx, payment_id, owner_id)
            refunds = await self._refunded.list_refunds(tx, payment_id, after=after, limit=limit)
            return refunds, await list_acts(tx, [payment_id])

    async def list_events(
        self, payment_id: str, owner_id: str | None, *, after: int, limit: int
    ) -> tuple[list[PaymentEvent], list[RecordedAct]]:
        """List the history of a payment after version `after`, oldest first, with the acts on it.

        Raises PaymentNotFound.
        """
        async with self._database.connection() as tx:
            await self._find(tx, payment_id, owner_id)
            history = await self._search.list_events(tx, payment_id, after=after, limit=limit)
            return history, await list_acts(tx, [payment_id])

    async def _find(self, tx: Transaction, payment_id: str, owner_id: str | None) -> Payment:
        payment = await self._repository.find_payment(tx, payment_id, owner_id)
        if payment is None:
            raise domain.PaymentNotFound
        return payment

    async def get_of_order(
        self, order_id: str, owner_id: str | None, limit: int = MAX_LIMIT
    ) -> Detail:
        """Get the payment of an order. See `get`."""
        async with self._database.connection() as tx:
            found = await self._repository.list_by_orders(tx, [order_id])
        if not found:
            raise domain.PaymentNotFound
        return await self.get(found[0].id, owner_id, limit)


def _act_on(payment: Payment, act: Act | None) -> Act | None:
    """The act of a charge by hand, with the id and the amount of its payment."""
    amount = {"amountMinor": payment.amount_minor, "currency": payment.currency}
    return act and detailed(act._replace(subject=payment.id), **amount)


def _shed(under_way: SingleFlight[Payment], more: int) -> None:
    """Raise Unavailable, before any work is done, when too many payments are under way already."""
    if under_way.free_places() < more:
        raise Unavailable("Too many payments are being processed")


def _now(known: OpenedPayment, tasks: "dict[str, asyncio.Task[Payment]]") -> Payment:
    task = tasks.get(known.payment.id)
    return known.payment if task is None else result_or(task, known.payment)


def _capture_outcome(
    command: CapturePayment, payment: Payment, fresh: bool, given_up: bool
) -> PaymentOutcome:
    status, reason = payment.status, payment.reason
    if status is PaymentStatus.PROCESSING and given_up:
        reason = domain.PROVIDER_SILENT
    if status is not PaymentStatus.VOIDED and not payment.is_for(command):
        status, reason = PaymentStatus.DECLINED, domain.MISMATCH
    if status is PaymentStatus.PARTIALLY_REFUNDED:
        status = PaymentStatus.CAPTURED
    return PaymentOutcome(command.order_id, payment.id, status, reason, idempotent=not fresh)


def _void_outcome(payment: Payment, changed: bool) -> PaymentOutcome:
    """The outcome of a void: `processing` while money may still be held."""
    status = PaymentStatus.PROCESSING if payment.status.holds_money else payment.status
    empty = payment.is_tombstone or payment.status is PaymentStatus.DECLINED
    return PaymentOutcome(
        payment.order_id, payment.id, status, payment.reason, idempotent=not changed, empty=empty
    )
