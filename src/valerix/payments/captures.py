"""Charges an order by hand: the charge that orders says it owes, under an idempotency key, once.

The order may be cancelled between this check and the charge. Then the void decides: a capture that
comes after the void finds its tombstone and is refused; a capture that came before it is refunded
by it.
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
    """The payment of an order.

    `fresh`: made by this request. `replayed`: made by an earlier request under the same key.
    """

    payment: Payment
    fresh: bool = False
    replayed: bool = False


class CaptureRequest(NamedTuple):
    """A request to charge an order by hand. `key`, `fingerprint`: see chassis.base.idempotency."""

    charge: RequestedCharge
    key: bytes | None
    fingerprint: bytes
    actor: Actor | None = None


class Captures:
    """The use case of staff, and of services, that charge an order by hand."""

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
        """Charge the order what it owes. A paid order keeps its payment.

        The payment is `processing` when the provider takes longer. Raises KeyReused, OrderNotFound,
        OrderNotPayable, ChargeNotOwed, PaymentMismatch, CaptureDeclined, PaymentVoided; NotSent
        when orders gives no answer, and then nothing is charged.
        """
        if replayed := await self._replay(request, deadline):
            return replayed
        order = await get_order(self._orders, request.charge.order_id, deadline)
        if owed.is_paid(order.status):
            return await self._paid(request, order)
        return await self._charge(request, owed.charge(order, request.charge), deadline)

    async def _replay(self, request: CaptureRequest, deadline: Deadline) -> Captured | None:
        """The payment made by an earlier request under the key. None when there was no such
        request, or when it was interrupted.
        """
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

    async def _charge(
        self, request: CaptureRequest, command: CapturePayment, deadline: Deadline
    ) -> Captured:
        await CHECKED.passed()
        first = await self._claim(request)
        wait_ms = int(self._payments.wait_seconds * 1000)
        act = act_of(request.actor, PAYMENT_CAPTURED, command.order_id, orderId=command.order_id)
        (outcome,) = (
            await self._payments.capture(CapturePayments([command], wait_ms), deadline, act)
        ).outcomes
        payment = await self._find(command.order_id)
        assert payment is not None  # noqa: S101 - payments are never deleted
        standing = _standing(payment, request.charge)
        return Captured(standing, not outcome.idempotent, outcome.idempotent and not first)

    async def _find(self, order_id: str) -> Payment | None:
        async with self._database.connection() as tx:
            found = await self._repository.list_by_orders(tx, [order_id])
        return found[0] if found else None

    async def _is_known(self, request: CaptureRequest) -> bool:
        """Whether this request was accepted before.

        Raises KeyReused when another request was accepted under its key.
        """
        key = request.key
        if key is None:
            return False
        async with self._database.connection() as tx:
            fingerprint = await self._keys.find_fingerprint(tx, key)
        if fingerprint not in (None, request.fingerprint):
            raise KeyReused
        return fingerprint is not None

    async def _claim(self, request: CaptureRequest) -> bool:
        """Commit the key before a charge is made under it. False when the same request has done so.

        Raises KeyReused.
        """
        key = request.key
        if key is None:
            return True
        if await self._database.repeat(
            lambda tx: self._keys.insert_key(tx, key, request.fingerprint)
        ):
            return True
        await self._is_known(request)
        return False


def _standing(payment: Payment, requested: RequestedCharge) -> Payment:
    """The payment, if it is an answer to the requested charge.

    Raises PaymentVoided, PaymentMismatch, CaptureDeclined.
    """
    if payment.status is PaymentStatus.VOIDED:
        raise domain.PaymentVoided(payment.id)
    if not payment.is_for(requested):
        raise domain.PaymentMismatch(payment.id)
    if payment.status is PaymentStatus.DECLINED:
        raise domain.CaptureDeclined(payment.reason, payment.id)
    return payment
