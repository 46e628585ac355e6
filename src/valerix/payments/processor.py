"""Finds the outcome of payments, and writes it down.

In this process at most one task works on a payment at a time.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from valerix.chassis.base import telemetry
from valerix.chassis.base.deadline import Now, utc_now
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import Batcher
from valerix.chassis.concurrency.single_flight import SingleFlight
from valerix.chassis.postgres.database import IMPOSSIBLE, Database
from valerix.contracts.payment_methods import METHODS
from valerix.contracts.states import PaymentStatus
from valerix.payments import domain, metrics
from valerix.payments.domain import Payment
from valerix.payments.provider import Charge, Provider, Rejected
from valerix.payments.repository.payments import PaymentsRepository
from valerix.payments.repository.rows import PaymentChange
from valerix.payments.schemas import view

CHARGING, CHARGED = Point("payments.charging"), Point("payments.charged")
SETTLED = Point("payments.settled")
MAX_UNDER_WAY = 4096
_encode = msgspec.json.Encoder().encode


class ProviderDisagrees(Exception):
    """The provider holds another amount under the reference of a payment.

    Nothing may be concluded; a person must look at it.
    """


class Processor:
    """`drive` works towards a definite state in the background; `settle` writes the outcome."""

    def __init__(
        self,
        database: Database,
        repository: PaymentsRepository,
        provider: Provider,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._repository = repository
        self._provider = provider
        self._now = now
        self._results: Batcher[PaymentChange, Payment] = Batcher(
            self._write, name="settle", max_concurrent_batches=2, impossible=IMPOSSIBLE
        )
        self.under_way: SingleFlight[Payment] = SingleFlight(MAX_UNDER_WAY)

    def drive(self, payment: Payment, *, fresh: bool) -> "asyncio.Task[Payment]":
        """Bring the payment to its definite state; `processing` when the provider does not answer.

        `fresh`: this process has just inserted its row, so the provider cannot know its reference.
        """
        return self.under_way.join(payment.id, lambda: self._drive(payment, fresh))

    async def settle(self, payment: Payment, charge: Charge, reason: str | None = None) -> Payment:
        """Write the provider's answer to a `processing` payment; return the payment's new state.

        `reason` is kept where the provider gives none. Raises ProviderDisagrees.
        """
        status = domain.BY_PROVIDER_STATUS[charge.status]
        held = (charge.amount_minor, charge.currency)
        if status is PaymentStatus.CAPTURED and held != (payment.amount_minor, payment.currency):
            raise ProviderDisagrees(payment.provider_reference)
        given = reason if status is PaymentStatus.VOIDED else None
        return await self._conclude(payment, status, charge.reason or given)

    async def _drive(self, payment: Payment, fresh: bool) -> Payment:
        if payment.method not in METHODS:
            return await self._conclude(payment, PaymentStatus.DECLINED, domain.UNSUPPORTED_METHOD)
        may_exist = not fresh

        async def ask() -> Charge:
            """Charge under the same reference each time, so that a lost answer causes no second
            charge.
            """
            nonlocal may_exist
            known = await self._provider.find(payment.provider_reference) if may_exist else None
            may_exist = True
            await CHARGING.passed()
            return known or await self._provider.charge(payment)

        try:
            charge = await self._provider.until_definite(ask, payment.provider_reference)
        except Rejected:
            return await self._conclude(payment, PaymentStatus.DECLINED, domain.PROVIDER_REJECTED)
        await CHARGED.passed()
        return payment if charge is None else await self.settle(payment, charge)

    async def _conclude(
        self, payment: Payment, status: PaymentStatus, reason: str | None
    ) -> Payment:
        return await self._results.submit(event(payment.moved(status, self._now(), reason)))

    async def _write(self, events: list[PaymentChange]) -> Sequence[Payment]:
        unique = {e.payment.id: e for e in events}
        moved = await self._database.repeat(
            lambda tx: self._repository.settle_payments(tx, list(unique.values()))
        )
        await SETTLED.passed()
        standing = {e.payment.id: e.payment for e in unique.values() if e.payment.id in moved}
        for payment in standing.values():
            _count(payment)
        if lost := [e.payment.order_id for e in unique.values() if e.payment.id not in moved]:
            rows = await self._database.repeat(lambda tx: self._repository.list_by_orders(tx, lost))
            standing |= {payment.id: payment for payment in rows}
        return [standing[e.payment.id] for e in events]


def event(payment: Payment, kind: str | None = None) -> PaymentChange:
    """The change that emits the state of `payment`, as an event of this kind."""
    return PaymentChange(
        payment,
        kind or f"payment.{payment.status}",
        _encode(view(payment)).decode(),
        telemetry.trace_id.get(),
    )


def _count(payment: Payment) -> None:
    method = payment.method if payment.method in METHODS else "unsupported"
    metrics.payments_processed.labels(payment.status, method).inc()
    if payment.status is PaymentStatus.CAPTURED:
        metrics.payment_amount.labels(payment.currency).inc(payment.captured_minor)
