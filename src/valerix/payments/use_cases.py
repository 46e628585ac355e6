"""What can be done with payments. Capturing and voiding are written once, over a list."""

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
"""Part of the answer margin that the answer needs on its way to the service that called."""
OPENED, FORBIDDEN, CANCELLED = Point("payments.opened"), Point("payments.forbidden"), Point("payments.cancelled")


class OpenedPayment(NamedTuple):
    """The one payment of an order; `fresh` when this very command made it."""

    payment: Payment
    fresh: bool


class Opening(NamedTuple):
    """Charges to be made; `act`: set when staff make the only one of them by hand."""

    commands: Sequence[CapturePayment]
    act: Act | None


class Detail(NamedTuple):
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
            self._open, name="capture", max_concurrent_batches=2, max_batch=16, impossible=IMPOSSIBLE
        )

    async def close(self) -> None:
        """Stop what runs in the background; the rows say what is to be taken up again."""
        await asyncio.gather(self._voiding.close(), self.refunds.under_way.close(), self._processor.under_way.close())

    # --- capture

    async def capture(self, request: CapturePayments, deadline: Deadline, act: Act | None = None) -> PaymentOutcomes:
        """Charge each order once, ever. Those not decided within `wait_ms` are answered `processing`.

        With a reason, when nobody is asking the provider any more: then waiting is of no use now.
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
        """A `processing` payment as it stands once its outcome is known, or after `wait_seconds`."""
        _shed(self._processor.under_way, 1)
        task = self._processor.drive(payment, fresh=False)
        await wait_for([task], min(self.wait_seconds, self._left(deadline)))
        return result_or(task, payment)

    async def _open(self, openings: list[Opening]) -> list[list[OpenedPayment]]:
        """Commit a `processing` row for every new order before anybody is called; find the payments of the others."""
        wanted = [domain.new_payment(self._make_id(), command) for each in openings for command in each.commands]
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
        """The payment that stands for each of `wanted`: itself where it was made, else the one its order has."""
        by_order = {p.order_id: p for p in wanted if p.id in made}
        if rest := [p.order_id for p in wanted if p.order_id not in by_order]:
            rows = await self._database.repeat(lambda tx: self._repository.list_by_orders(tx, rest))
            by_order |= {p.order_id: p for p in rows}
        return [OpenedPayment(by_order[p.order_id], p.id in made) for p in wanted]

    # --- void

    async def void(self, request: VoidPayments, deadline: Deadline) -> PaymentOutcomes:
        """Make sure that no money is taken or kept. `processing`: not certain yet, ask again."""
        _shed(self._voiding, len(request.commands))
        known = await self._forbid(request.commands)
        voided = {
            k.payment.id: self._void(k.payment, command.reason)
            for command, k in zip(request.commands, known, strict=True)
            if k.payment.status is PaymentStatus.PROCESSING or k.payment.status.holds_money
        }
        await wait_for(voided.values(), min(self._timeouts.step_wait_seconds, self._left(deadline)))
        return PaymentOutcomes([_void_outcome(_now(k, voided), k.fresh or k.payment.id in voided) for k in known])

    async def _forbid(self, commands: Sequence[VoidPayment]) -> list[OpenedPayment]:
        """Tombstones for orders without a payment: a late capture finds them and is refused for ever."""
        wanted = [domain.tombstone(self._make_id(), command.order_id, command.reason) for command in commands]
        events = [event(payment) for payment in wanted]
        made = await self._database.repeat(lambda tx: self._repository.insert_tombstones(tx, events))
        await FORBIDDEN.passed()
        return await self._known(wanted, made)

    def _void(self, payment: Payment, reason: str) -> "asyncio.Task[Payment]":
        async def work() -> Payment:
            undecided = payment.status is PaymentStatus.PROCESSING
            now = await self._cancel(payment, reason) if undecided else payment
            return await self.refunds.refund_rest(now, reason) if now.status.holds_money else now

        return self._voiding.join(payment.id, work)

    async def _cancel(self, payment: Payment, reason: str) -> Payment:
        """Only the provider can say that no charge is on its way any more: it refuses the reference from now on."""
        reference = payment.provider_reference
        charge = await self._provider.until_definite(lambda: self._provider.cancel(reference), reference)
        await CANCELLED.passed()
        return payment if charge is None else await self._processor.settle(payment, charge, reason)

    def _left(self, deadline: Deadline) -> float:
        return deadline.remaining() - ANSWER_SHARE * self._timeouts.answer_margin_seconds

    # --- in the background

    async def resolve_due(self, limit: int) -> int:
        """Take over payments and refunds whose outcome nobody found out in time; how many there were."""
        telemetry.trace_id.set(telemetry.new_trace_id())
        count = min(limit, self._processor.under_way.free_places())
        due = await self._database.repeat(lambda tx: self._repository.claim_due_payments(tx, count, self._lease))
        for payment in due:
            self._processor.drive(payment, fresh=False)
        return len(due) + await self.refunds.resolve_due(limit)

    # --- reading

    async def get(self, payment_id: str, owner_id: str | None, limit: int = MAX_LIMIT) -> Detail:
        """The payment with its first refunds and events, if it is there and (with `owner_id`) the owner's.

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
        """Its refunds, oldest first, from beyond the id `after`, and the acts on it. Raises PaymentNotFound."""
        async with self._database.connection() as tx:
            await self._find(tx, payment_id, owner_id)
            refunds = await self._refunded.list_refunds(tx, payment_id, after=after, limit=limit)
            return refunds, await list_acts(tx, [payment_id])

    async def list_events(
        self, payment_id: str, owner_id: str | None, *, after: int, limit: int
    ) -> tuple[list[PaymentEvent], list[RecordedAct]]:
        """Its history, oldest first, from beyond version `after`, and the acts on it. Raises PaymentNotFound."""
        async with self._database.connection() as tx:
            await self._find(tx, payment_id, owner_id)
            history = await self._search.list_events(tx, payment_id, after=after, limit=limit)
            return history, await list_acts(tx, [payment_id])

    async def _find(self, tx: Transaction, payment_id: str, owner_id: str | None) -> Payment:
        payment = await self._repository.find_payment(tx, payment_id, owner_id)
        if payment is None:
            raise domain.PaymentNotFound
        return payment

    async def get_of_order(self, order_id: str, owner_id: str | None, limit: int = MAX_LIMIT) -> Detail:
        """See `get`."""
        async with self._database.connection() as tx:
            found = await self._repository.list_by_orders(tx, [order_id])
        if not found:
            raise domain.PaymentNotFound
        return await self.get(found[0].id, owner_id, limit)


def _act_on(payment: Payment, act: Act | None) -> Act | None:
    """The act of a charge by hand, once its payment has an id."""
    amount = {"amountMinor": payment.amount_minor, "currency": payment.currency}
    return act and detailed(act._replace(subject=payment.id), **amount)


def _shed(under_way: SingleFlight[Payment], more: int) -> None:
    """Raises Unavailable, before any work is done, when too much is under way already."""
    if under_way.free_places() < more:
        raise Unavailable("Too many payments are being processed")


def _now(known: OpenedPayment, tasks: "dict[str, asyncio.Task[Payment]]") -> Payment:
    task = tasks.get(known.payment.id)
    return known.payment if task is None else result_or(task, known.payment)


def _capture_outcome(command: CapturePayment, payment: Payment, fresh: bool, given_up: bool) -> PaymentOutcome:
    status, reason = payment.status, payment.reason
    if status is PaymentStatus.PROCESSING and given_up:
        reason = domain.PROVIDER_SILENT
    if status is not PaymentStatus.VOIDED and not payment.is_for(command):
        status, reason = PaymentStatus.DECLINED, domain.MISMATCH
    if status is PaymentStatus.PARTIALLY_REFUNDED:
        status = PaymentStatus.CAPTURED
    return PaymentOutcome(command.order_id, payment.id, status, reason, idempotent=not fresh)


def _void_outcome(payment: Payment, changed: bool) -> PaymentOutcome:
    """`processing` while money may still be held."""
    status = PaymentStatus.PROCESSING if payment.status.holds_money else payment.status
    empty = payment.is_tombstone or payment.status is PaymentStatus.DECLINED
    return PaymentOutcome(payment.order_id, payment.id, status, payment.reason, idempotent=not changed, empty=empty)
