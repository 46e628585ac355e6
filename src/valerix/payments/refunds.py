"""Refunds money: set aside durably, then requested from the provider, then written down."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from valerix.chassis.base.deadline import Now, utc_now
from valerix.chassis.base.idempotency import KeyReused
from valerix.chassis.base.problems import Invalid
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.single_flight import SingleFlight, result_or, wait_for
from valerix.chassis.messaging.acts import act_of, detailed, record
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.acts import PAYMENT_REFUNDED, Actor
from valerix.contracts.ids import new_id
from valerix.contracts.states import RefundStatus
from valerix.payments import domain, metrics
from valerix.payments.domain import Payment, Refund
from valerix.payments.processor import event
from valerix.payments.provider import Provider, Rejected
from valerix.payments.repository.payments import PaymentsRepository
from valerix.payments.repository.refunds import RefundsRepository

log = structlog.get_logger()
SET_ASIDE, ASKED, ENDED = (
    Point(f"payments.refund.{name}") for name in ("set_aside", "asked", "ended")
)
MAX_UNDER_WAY = 1024


class RefundRequest(NamedTuple):
    """A request for a refund.

    `amount_minor` None: all that is left. `key`, `fingerprint`: see chassis.base.idempotency.
    `part_only`: the refund must leave part of the payment. `refusal`: the reason why the request is
    answered only if it was made before.
    """

    payment_id: str
    amount_minor: int | None
    reason: str
    key: bytes | None
    fingerprint: bytes
    part_only: bool = False
    actor: Actor | None = None
    refusal: Invalid | None = None


class Refunds:
    """The use cases of refunds."""

    def __init__(
        self,
        database: Database,
        repository: RefundsRepository,
        payments: PaymentsRepository,
        provider: Provider,
        lease: timedelta,
        *,
        now: Now = utc_now,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._database = database
        self._repository = repository
        self._payments = payments
        self._provider = provider
        self._lease = lease
        self._now = now
        self._make_id = make_id
        self.under_way: SingleFlight[Refund] = SingleFlight(MAX_UNDER_WAY)

    async def refund(self, request: RefundRequest, wait_seconds: float) -> tuple[Refund, bool]:
        """Refund a payment. True when the refund was made by an earlier request under the same key.

        The refund is `pending` when the provider takes longer. Raises PaymentNotFound,
        NotRefundable, RefundExceedsCaptured, CancelInstead, KeyReused, RefundRejected.
        """
        refund, replayed = await self._set_aside(request)
        if refund.status is RefundStatus.PENDING:
            task = self._drive(refund)
            await wait_for([task], wait_seconds)
            refund = result_or(task, refund)
        if refund.status is RefundStatus.FAILED:
            raise domain.RefundRejected(refund.failure, refund.id)
        return refund, replayed

    async def is_known(self, request: RefundRequest) -> bool:
        """Whether this request was accepted before.

        Raises KeyReused when another request was accepted under its key.
        """
        key = request.key
        if key is None:
            return False
        async with self._database.connection() as tx:
            known = await self._repository.find_refund_by_key(tx, request.payment_id, key)
        return known is not None and _replay(known, request.fingerprint)[1]

    async def refund_rest(self, payment: Payment, reason: str) -> Payment:
        """Refund all that is left, wait for every refund under way, and return the payment."""
        if payment.refundable_minor:
            try:
                await self._set_aside(RefundRequest(payment.id, None, reason, None, b""))
            except (domain.NotRefundable, domain.RefundExceedsCaptured):
                log.info("another request refunds the rest", payment_id=payment.id)
        async with self._database.connection() as tx:
            pending = await self._repository.list_pending(tx, payment.id)
        await asyncio.gather(*(self._drive(refund) for refund in pending))
        async with self._database.connection() as tx:
            return await self._payments.find_payment(tx, payment.id, None) or payment

    async def resolve_due(self, limit: int) -> int:
        """Take over refunds that are due; return their number."""
        limit = min(limit, self.under_way.free_places())
        due = await self._database.repeat(
            lambda tx: self._repository.claim_due_refunds(tx, limit, self._lease)
        )
        for refund in due:
            self._drive(refund)
        return len(due)

    async def _set_aside(self, request: RefundRequest) -> tuple[Refund, bool]:
        refund_id = self._make_id()
        key = request.key or refund_id.encode()
        act = act_of(
            request.actor,
            PAYMENT_REFUNDED,
            request.payment_id,
            refundId=refund_id,
            reason=request.reason,
        )

        async def work(connection: Transaction) -> tuple[Refund, bool]:
            async with connection.transaction():
                payment = await self._repository.lock_payment(connection, request.payment_id)
                if payment is None:
                    raise domain.PaymentNotFound
                if known := await self._repository.find_refund_by_key(connection, payment.id, key):
                    return _replay(known, request.fingerprint)
                promised, amount = payment.promised(request.amount_minor)
                if request.part_only and not promised.refundable_minor:
                    raise domain.CancelInstead
                refund = domain.new_refund(refund_id, payment.id, amount, request.reason)
                await self._repository.insert_refund(
                    connection, refund, key, request.fingerprint, self._lease
                )
                await self._repository.update_payment(connection, promised)
                await record(
                    connection,
                    detailed(
                        act, orderId=payment.order_id, amountMinor=amount, currency=payment.currency
                    ),
                )
                return refund, False

        outcome = await self._database.repeat(work)
        await SET_ASIDE.passed()
        return outcome

    def _drive(self, refund: Refund) -> "asyncio.Task[Refund]":
        return self.under_way.join(refund.id, lambda: self._ask(refund))

    async def _ask(self, refund: Refund) -> Refund:
        async with self._database.connection() as tx:
            payment = await self._payments.find_payment(tx, refund.payment_id, None)
        assert payment is not None  # noqa: S101 - a foreign key says so

        async def ask() -> bool:
            await self._provider.refund(refund, payment.provider_reference)
            return True

        try:
            answered = await self._provider.until_definite(ask, refund.provider_reference)
        except Rejected as rejection:
            return await self._end(refund, str(rejection))
        await ASKED.passed()
        return refund if answered is None else await self._end(refund, None)

    async def _end(self, refund: Refund, failure: str | None) -> Refund:
        """Write the end of the refund, unless it has ended already; return its current state."""

        async def work(connection: Transaction) -> Refund:
            now = self._now()
            status = RefundStatus.SUCCEEDED if failure is None else RefundStatus.FAILED
            async with connection.transaction():
                payment = await self._repository.lock_payment(connection, refund.payment_id)
                assert payment is not None  # noqa: S101 - a foreign key says so
                if await self._repository.claim_refund(connection, refund.id, status, failure, now):
                    await self._emit(connection, payment, refund.amount_minor, failure, now)
                return await self._repository.get_refund(connection, refund.id)

        ended = await self._database.repeat(work)
        await ENDED.passed()
        return ended

    async def _emit(
        self,
        connection: Transaction,
        payment: Payment,
        amount_minor: int,
        failure: str | None,
        now: datetime,
    ) -> None:
        if failure is None:
            changed, kind = payment.given_back(amount_minor, now), "payment.refunded"
            metrics.refunds_processed.inc()
        else:
            changed, kind = payment.kept(amount_minor, now), "payment.refund_failed"
        await self._repository.update_payment(connection, changed)
        await self._repository.insert_event(connection, event(changed, kind))


def _replay(known: tuple[Refund, bytes], fingerprint: bytes) -> tuple[Refund, bool]:
    refund, first = known
    if first != fingerprint:
        raise KeyReused
    return refund, True
