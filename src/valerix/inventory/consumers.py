"""Events in: the safety net behind the calls of the orders service. What a call did before is found done."""

from valerix.chassis.database import Transaction
from valerix.chassis.inbox import Effect
from valerix.chassis.resilience import Deadline
from valerix.contracts.events import ORDER_CANCELLED, ORDER_FAILED, ORDER_SHIPPED, ORDERS, Event
from valerix.inventory.domain import Ending
from valerix.inventory.use_cases import Stock

CONSUMER = "inventory"
TOPICS = (ORDERS,)
ENDS = {ORDER_SHIPPED: "committed", ORDER_CANCELLED: "released", ORDER_FAILED: "released"}
DEADLINE_SECONDS = 10.0


def endings(stock: Stock) -> Effect:
    """Shipped goods leave the stock, those of ended orders go back to it."""

    async def consume(_: Transaction, events: list[Event]) -> None:
        await stock.end(
            [Ending(event.subject, ENDS[event.name]) for event in events],
            f"valerix:{ORDERS}",
            Deadline.after(DEADLINE_SECONDS),
        )

    return consume
