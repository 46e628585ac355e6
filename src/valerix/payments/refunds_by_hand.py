"""Refunds payments by hand, as the state of the order permits, under an idempotency key, once.

The state is queried from orders. Between this check and the refund, the order may ship, which
permits more, or be cancelled. Then the void or the refund locks the payment first, and the other
one works on what is left of it.
"""

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.peers import Peer
from valerix.chassis.chaos.points import Point
from valerix.chassis.postgres.database import Database
from valerix.contracts.errors import OrderNotFound
from valerix.payments import domain, owed
from valerix.payments.domain import Refund
from valerix.payments.orders import get_order
from valerix.payments.refunds import RefundRequest, Refunds
from valerix.payments.repository.payments import PaymentsRepository

CHECKED = Point("payments.refund.checked")


class RefundsByHand:
    """The use case of staff that refund payments."""

    def __init__(
        self, database: Database, repository: PaymentsRepository, refunds: Refunds, orders: Peer
    ) -> None:
        self._database = database
        self._repository = repository
        self._refunds = refunds
        self._orders = orders

    async def refund(
        self, request: RefundRequest, wait_seconds: float, deadline: Deadline
    ) -> tuple[Refund, bool]:
        """Refund a payment: see Refunds.refund.

        A repeated request is answered without a query of its order. Raises OrderNotRefundable and
        CancelInstead as well; NotSent when orders gives no answer, and then nothing is refunded.
        """
        if not await self._refunds.is_known(request):
            if request.refusal is not None:
                raise request.refusal
            request = request._replace(
                part_only=await self._part_only(request.payment_id, deadline)
            )
            await CHECKED.passed()
        return await self._refunds.refund(request, wait_seconds)

    async def _part_only(self, payment_id: str, deadline: Deadline) -> bool:
        async with self._database.connection() as tx:
            payment = await self._repository.find_payment(tx, payment_id, None)
        if payment is None:
            raise domain.PaymentNotFound
        try:
            order = await get_order(self._orders, payment.order_id, deadline)
        except OrderNotFound:
            return False  # without an order nothing is owed: the money may be refunded in full
        return owed.part_only(order)
