"""Charging an order by hand: what orders says it owes, under an idempotency key, once.

Between the check and the charge the order may be cancelled. What the void leaves decides then: a capture that comes
after it finds the tombstone and is refused, one that came before it is refunded by it.
"""

from typing import NamedTuple

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.idempotency import KeyReused
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.chaos.points import Point
from valerix.chassis.messaging.acts import act_of
from valerix.chassis.postgres.database import Database
from valerix.contracts.acts import PAYMENT_CAPTURED, Actor
from valerix.contracts.commands import CapturePayment, CapturePayments, OrderDescription
from valerix.contracts.states import PaymentStatus
from valerix.payments import domain, owed
from valerix.payments.domain import Payment
from valerix.payments.orders import get_order
from valerix.payments.owed import OrderNotPayable, RequestedCharge
from valerix.payments.repository.captures import CaptureKeysRepository
from valerix.payments.repository.payments import PaymentsRepository
from valerix.payments.use_cases import PaymentsUseCases

CHECKED = Point("payments.capture.checked")


class Captured(NamedTuple):
    """The payment of an order; `fresh`: made by this request; `replayed`: by an earlier one under the same key."""

    payment: Payment
    fresh: bool = False
    replayed: bool = False


class CaptureRequest(NamedTuple):
    """`key`, `fingerprint`: see chassis.base.idempotency."""

    charge: RequestedCharge
    key: bytes | None
    fingerprint: bytes
    actor: Actor | None = None


class Captures:
    """The use case of staff and of services that charge an order themselves."""

    def __init__(
        self,
        database: Database,
        keys: CaptureKeysRepository,
        repository: PaymentsRepository,
        payments: PaymentsUseCases,
        orders: HttpClient,
    ) -> None:
        self._database = database
        self._keys = keys
        self._repository = repository
        self._payments = payments
        self._orders = orders

    async def capture(self, request: CaptureRequest, deadline: Deadline) -> Captured:
        """Charge the order what it owes; `processing` when the provider takes longer. A paid order keeps its payment.

        Raises KeyReused, OrderNotFound, OrderNotPayable, ChargeNotOwed, PaymentMismatch, CaptureDeclined,
        PaymentVoided; NotSent when orders gives no answer, and then nothing is charged.
        """
        if replayed := await self._replay(request, deadline):
            return replayed
        order = await get_order(self._orders, request.charge.order_id, deadline)
        if owed.is_paid(order.status):
            return await self._paid(request, order)
        return await self._charge(request, owed.charge(order, request.charge), deadline)

    async def _replay(self, request: CaptureRequest, deadline: Deadline) -> Captured | None:
        """The payment that an earlier request under the key led to; None when none did, or it was cut off."""
        if not await self._is_known(request):
            return None
        known = await self._find(request.charge.order_id)
        if known and known.status is PaymentStatus.PROCESSING:
            known = await self._payments.await_outcome(known, deadline)
        return known and Captured(_standing(known, request.charge), replayed=True)

    async def _paid(self, request: CaptureRequest, order: OrderDescription) -> Captured:
        payment = await self._find(order.order_id)
        if payment is None:
            raise OrderNotPayable(order.status, "The order owes nothing")
        await self._claim(request)
        return Captured(_standing(payment, request.charge))

    async def _charge(self, request: CaptureRequest, command: CapturePayment, deadline: Deadline) -> Captured:
        await CHECKED.passed()
        first = await self._claim(request)
        wait_ms = int(self._payments.wait_seconds * 1000)
        act = act_of(request.actor, PAYMENT_CAPTURED, command.order_id, orderId=command.order_id)
        (outcome,) = (await self._payments.capture(CapturePayments([command], wait_ms), deadline, act)).outcomes
        payment = await self._find(command.order_id)
        assert payment is not None  # noqa: S101 - payments are never deleted
        standing = _standing(payment, request.charge)
        return Captured(standing, not outcome.idempotent, outcome.idempotent and not first)

    async def _find(self, order_id: str) -> Payment | None:
        async with self._database.connection() as tx:
            found = await self._repository.list_by_orders(tx, [order_id])
        return found[0] if found else None

    async def _is_known(self, request: CaptureRequest) -> bool:
        """Whether this request was let through before. Raises KeyReused when its key let another one through."""
        key = request.key
        if key is None:
            return False
        async with self._database.connection() as tx:
            fingerprint = await self._keys.find_fingerprint(tx, key)
        if fingerprint not in (None, request.fingerprint):
            raise KeyReused
        return fingerprint is not None

    async def _claim(self, request: CaptureRequest) -> bool:
        """Commit the key before a charge is made under it; False when a twin of the request has. Raises KeyReused."""
        key = request.key
        if key is None:
            return True
        if await self._database.repeat(lambda tx: self._keys.insert_key(tx, key, request.fingerprint)):
            return True
        await self._is_known(request)
        return False


def _standing(payment: Payment, asked: RequestedCharge) -> Payment:
    """The payment, unless it is no answer to what was asked. Raises PaymentVoided, PaymentMismatch, CaptureDeclined."""
    if payment.status is PaymentStatus.VOIDED:
        raise domain.PaymentVoided(payment.id)
    if not payment.is_for(asked):
        raise domain.PaymentMismatch(payment.id)
    if payment.status is PaymentStatus.DECLINED:
        raise domain.CaptureDeclined(payment.reason, payment.id)
    return payment
