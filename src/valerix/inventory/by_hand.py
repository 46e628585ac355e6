"""The stock of one order, moved by hand: as far as orders says that the order is in the state for it.

Between the check and the move the order may end. Its release, called or told by its event, comes after the move and
takes it back, or leaves a reservation that refuses it.
"""

from collections.abc import Sequence

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.chaos.points import Point
from valerix.contracts.commands import Line, ReservationState, ReserveOutcome
from valerix.inventory import permitted
from valerix.inventory.domain import Ending
from valerix.inventory.orders import get_order
from valerix.inventory.reserving import Reserving

CHECKED = Point("inventory.by_hand.checked")


class StockByHand:
    """All raise OrderNotFound, and NotSent when orders gives no answer: then nothing is moved."""

    def __init__(self, reserving: Reserving, orders: HttpClient) -> None:
        self._reserving = reserving
        self._orders = orders

    async def reserve(self, order_id: str, lines: Sequence[Line], actor: str, deadline: Deadline) -> ReserveOutcome:
        """Raises OrderNotReservable, OtherLines."""
        command = permitted.reservation(await get_order(self._orders, order_id, deadline), lines)
        await CHECKED.passed()
        (outcome,) = await self._reserving.reserve([command], actor, deadline)
        return outcome

    async def release(self, order_id: str, actor: str, deadline: Deadline) -> ReservationState:
        """Raises OrderNotReleasable."""
        return await self._end(permitted.release(await get_order(self._orders, order_id, deadline)), actor, deadline)

    async def commit(self, order_id: str, actor: str, deadline: Deadline) -> ReservationState:
        """Raises OrderNotCommittable."""
        return await self._end(permitted.commit(await get_order(self._orders, order_id, deadline)), actor, deadline)

    async def _end(self, ending: Ending, actor: str, deadline: Deadline) -> ReservationState:
        await CHECKED.passed()
        (state,) = await self._reserving.end([ending], actor, deadline)
        return state
