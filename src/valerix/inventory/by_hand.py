"""Moves the stock of one order by hand, if the state of the order permits it.

The state is queried from orders. The order may end between this check and the move. Its release,
called by orders or caused by its event, either comes after the move and takes it back, or comes
before it and leaves a reservation that refuses it.
"""

from collections.abc import Sequence

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.chaos.points import Point
from valerix.chassis.messaging.acts import act_of
from valerix.contracts.acts import STOCK_COMMITTED, STOCK_RELEASED, STOCK_RESERVED, Actor
from valerix.contracts.commands import Line, ReservationState, ReserveOutcome
from valerix.inventory import permitted
from valerix.inventory.domain import Ending
from valerix.inventory.orders import get_order
from valerix.inventory.reserving import Reserving

CHECKED = Point("inventory.by_hand.checked")


class StockByHand:
    """Reserve, release and commit the stock of one order.

    All methods raise OrderNotFound, and NotSent when orders gives no answer: then nothing is moved.
    """

    def __init__(self, reserving: Reserving, orders: HttpClient) -> None:
        self._reserving = reserving
        self._orders = orders

    async def reserve(
        self, order_id: str, lines: Sequence[Line], actor: Actor, deadline: Deadline
    ) -> ReserveOutcome:
        """Reserve the lines of a pending order. Raises OrderNotReservable, OtherLines."""
        command = permitted.reservation(await get_order(self._orders, order_id, deadline), lines)
        await CHECKED.passed()
        act = act_of(actor, STOCK_RESERVED, order_id)
        (outcome,) = await self._reserving.reserve([command], actor.id, deadline, act)
        return outcome

    async def release(self, order_id: str, actor: Actor, deadline: Deadline) -> ReservationState:
        """Release the stock of a failed or cancelled order. Raises OrderNotReleasable."""
        ending = permitted.release(await get_order(self._orders, order_id, deadline))
        return await self._end(ending, STOCK_RELEASED, actor, deadline)

    async def commit(self, order_id: str, actor: Actor, deadline: Deadline) -> ReservationState:
        """Commit the stock of an order in `processing`. Raises OrderNotCommittable."""
        ending = permitted.commit(await get_order(self._orders, order_id, deadline))
        return await self._end(ending, STOCK_COMMITTED, actor, deadline)

    async def _end(
        self, ending: Ending, name: str, actor: Actor, deadline: Deadline
    ) -> ReservationState:
        await CHECKED.passed()
        (state,) = await self._reserving.end(
            [ending], actor.id, deadline, act_of(actor, name, ending.order_id)
        )
        return state
