"""Changes to one order by its customer or by staff: retry, cancel, change."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from valerix.chassis.base import telemetry
from valerix.chassis.base.deadline import Deadline, Now, utc_now
from valerix.chassis.base.versioning import VersionConflict
from valerix.chassis.messaging.acts import act_of, record
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.acts import ORDER_CANCELLED, ORDER_CHANGED, ORDER_RETRIED, Actor
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders.answers import Answer, conclude
from valerix.orders.decisions import CHANGED, Decision, SagaRun
from valerix.orders.driving import Driving
from valerix.orders.errors import (
    NotCancellable,
    NotChangeable,
    NotRetriable,
    OrderBusy,
    UnknownProduct,
)
from valerix.orders.order import Order, OrderLine
from valerix.orders.products import Products
from valerix.orders.queries import Queries
from valerix.orders.repository.changes import ChangesRepository
from valerix.orders.repository.driving import DrivingRepository

READINGS: Final = 5
"""Maximum number of reads of an order to cancel it.

The order may change at the same moment, for example when a refund is noted.
"""


class Changes:
    """Retries, cancels or changes one order at a time."""

    def __init__(
        self,
        database: Database,
        repository: ChangesRepository,
        driven: DrivingRepository,
        driving: Driving,
        queries: Queries,
        products: Products,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._repository = repository
        self._driven = driven
        self._driving = driving
        self._queries = queries
        self._products = products
        self._now = now

    async def retry(
        self, order_id: str, owner_id: str | None, deadline: Deadline, actor: Actor | None = None
    ) -> Answer:
        """Drive a pending order now.

        Raises OrderNotFound, NotRetriable, or OrderBusy while it is being driven.
        """
        order = await self._queries.get(order_id, owner_id)
        if order.status is not OrderStatus.PENDING:
            raise NotRetriable(order.status)
        if order.error_code is None:
            raise OrderBusy
        act = act_of(actor, ORDER_RETRIED, order.id, version=order.version)
        answer = await self._driving.take_and_drive(order, None, deadline, act)
        return answer._replace(status=200 if answer.status == 201 else answer.status)

    async def cancel(
        self,
        order_id: str,
        owner_id: str | None,
        reason: str,
        deadline: Deadline,
        actor: Actor | None = None,
    ) -> Order:
        """Void or refund the payment, release the stock, and end the order as cancelled.

        A repeated cancellation changes nothing. Raises OrderNotFound, NotCancellable, and OrderBusy
        if the order changed at each of READINGS. If a service is down, the request is stored, the
        order comes back as it is, and the worker cancels it.
        """
        for reading in range(1, READINGS + 1):
            order = await self._queries.get(order_id, owner_id)
            if order.status is OrderStatus.CANCELLED:
                return order
            if not order.status.cancellable:
                raise NotCancellable(order.status)
            first = order.cancel_reason is None  # a repeated request only drives the order
            act = (
                act_of(actor, ORDER_CANCELLED, order.id, reason=reason, version=order.version)
                if first
                else None
            )
            try:
                await self._driving.take_and_drive(order, reason, deadline, act)
                break
            except OrderBusy:
                if reading == READINGS:
                    raise
        order = await self._queries.get(order_id, owner_id)
        if not (
            order.status.cancellable or order.status is OrderStatus.CANCELLED
        ):  # the goods left at the same moment
            raise NotCancellable(order.status)
        return order

    async def change(
        self,
        order_id: str,
        owner_id: str | None,
        *,
        version: int | None,
        lines: list[OrderLine] | None,
        expected_total: Money | None,
        address: dict[str, Any] | None,
        deadline: Deadline,
        actor: Actor | None = None,
    ) -> Order:
        """Change the lines of a held order, or the address of an order that has not shipped.

        New products are quoted now. Raises OrderNotFound, VersionConflict, NotChangeable,
        UnknownProduct, the errors of UNPAYABLE, and NotSent if inventory is unavailable; then
        nothing is changed.
        """
        order = await self._queries.get(order_id, owner_id)
        if version is not None and version != order.version:
            raise VersionConflict(order.version)
        if not order.status.cancellable or order.cancel_reason is not None:
            raise NotChangeable(f"The order is {order.status}")
        if lines is not None and not order.held:
            raise NotChangeable("Lines can only be changed while the order is held for stock")
        # A backorder is due at once, to take its place on the waiting list with its new lines.
        anew = lines is not None and order.backordered
        due_in = timedelta(0) if anew else await self._due_in(order.id)
        before = order.lines
        fields = [
            name
            for name, new in (("items", lines), ("shippingAddress", address))
            if new is not None
        ]
        act = act_of(actor, ORDER_CHANGED, order.id, fields=fields, version=order.version)
        if lines is not None:
            await self._quote(order, lines, expected_total, deadline)
        order.shipping_address = address if address is not None else order.shipping_address
        decision = Decision(
            order.status,
            CHANGED,
            order.error_code,
            order.error_message,
            due_in,
            held_until=order.held_until,
        )
        conclusion = conclude(
            SagaRun(order, decision=decision), telemetry.trace_id.get(), self._now()
        )

        async def write(tx: Transaction) -> bool:
            async with tx.transaction():
                moved = bool(await self._driven.finish_orders(tx, [conclusion]))
                if moved and lines is not None:
                    await self._repository.replace_products(tx, order, before)
                if moved:
                    await record(tx, act)
                return moved

        if not await self._database.repeat(write):
            raise VersionConflict((await self._queries.get(order_id, owner_id)).version)
        return order

    async def _quote(
        self, order: Order, lines: list[OrderLine], expected_total: Money | None, deadline: Deadline
    ) -> None:
        """Quote the new lines. An earlier quote of a product stays: it is a ceiling."""
        skus = list(dict.fromkeys(line.product_id for line in lines))
        found = await self._products.prices(skus, deadline)
        if unknown := [sku for sku, product in zip(skus, found, strict=True) if product is None]:
            raise UnknownProduct(f"Unknown product: {', '.join(unknown)}")
        quoted = {line.product_id: line.unit_price_minor for line in order.lines}
        order.lines = [
            replace(line, unit_price_minor=quoted.get(line.product_id)) for line in lines
        ]
        order.expected_total = expected_total
        order.quote([product for product in found if product is not None])

    async def _due_in(self, order_id: str) -> timedelta | None:
        async with self._database.connection() as tx:
            return await self._repository.find_due_in(tx, order_id)
