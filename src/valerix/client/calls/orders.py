"""Placing orders and following them."""

import time
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from valerix.client import models
from valerix.client.calls.pieces import PAGE_SIZE, Calls, Pages, encode, keyed, part, query
from valerix.client.errors import StatusNotReached
from valerix.client.reading import read_as
from valerix.client.steps import Answer, Flow, Pause, Request
from valerix.contracts.ids import new_id
from valerix.contracts.money import Money
from valerix.contracts.states import FulfilmentStatus, OrderStatus

OnShortage = Literal["hold", "backorder", "reject"]
FIRST_LOOK_SECONDS: Final = 0.1
SLOWEST_LOOK_SECONDS: Final = 1.0
LONGEST_TIMELINE: Final = 1000
FINAL_STATUSES: Final = frozenset(status for status in OrderStatus if status.terminal)


class Orders(Calls):
    """Placing orders and following them."""

    _PATH = "/api/v1/orders"

    def place(
        self,
        customer_id: str,
        items: Mapping[str, int],
        *,
        payment_method: str | None = None,
        on_shortage: OnShortage | None = None,
        shipping_address: models.Address | None = None,
        expected_total: Money | None = None,
        idempotency_key: str | None = None,
    ) -> Flow[models.PlacedOrder]:
        """Place an order of `items`: quantities by product.

        The request always carries an idempotency key (a new one if none is given). It is sent again
        under that key until there is an answer or `retry_seconds` are over. An order returned as
        `pending` is safely accepted and will be driven to its end.

        Raises PaymentDeclined, InsufficientStock, Unprocessable (with `.order`), Invalid, Forbidden
        …, and Conflict when the total is not the expected one. When the outcome stayed unknown
        (NoAnswer, ServerFailed), place the order again with the error's `.idempotency_key`.
        """
        body = {
            "customerId": customer_id,
            "items": _lines(items),
            "paymentMethod": payment_method,
            "onShortage": on_shortage,
            "shippingAddress": shipping_address,
            "expectedTotal": expected_total,
        }
        key = idempotency_key or new_id()
        request = Request("POST", self._PATH, encode(body), {"idempotency-key": key})
        return keyed(key, self._session.call(request, _read_placed, repeatable=True))

    def get(self, order_id: str) -> Flow[models.Order]:
        """One order. Raises NotFound."""
        return self._get(f"{self._PATH}/{part(order_id)}", models.Order)

    def list(
        self,
        *,
        status: str | None = None,
        customer_id: str | None = None,
        product_id: str | None = None,
        search: str | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        oldest_first: bool = False,
    ) -> Pages[models.Order]:
        """Orders, newest first; `created_to` is exclusive.

        Pages are fetched as they are reached.
        """
        return Pages(
            self._session,
            self._PATH,
            models.Order,
            status=status,
            customerId=customer_id,
            productId=product_id,
            q=search,
            **{"from": created_from, "to": created_to},
            sort="createdAt" if oldest_first else None,
        )

    def timeline(self, order_id: str, *, cursor: str | None = None) -> Flow[models.Timeline]:
        """The history of an order: every event with its steps, attempts and durations.

        Raises NotFound.

        Reads page by page, up to LONGEST_TIMELINE events. To continue, pass the `next_cursor` of
        the previous timeline as `cursor`.
        """
        path, events = f"{self._PATH}/{part(order_id)}/events", list[models.OrderEvent]()
        while True:
            page = yield from self._get(
                path + query(limit=PAGE_SIZE, cursor=cursor), models.Timeline
            )
            events += page.events
            cursor = page.next_cursor
            if cursor is None or len(events) >= LONGEST_TIMELINE:
                return msgspec.structs.replace(page, events=events)

    def cancel(self, order_id: str, *, reason: str | None = None) -> Flow[models.Order]:
        """Cancel an order: release its stock and refund its payment.

        An order returned with another status than `cancelled` is cancelled later. Raises NotFound,
        or Conflict when the order has shipped.
        """
        request = Request("DELETE", f"{self._PATH}/{part(order_id)}{query(reason=reason)}")
        return self._session.call(request, read_as(models.Order), repeatable=True)

    def retry(self, order_id: str) -> Flow[models.Order]:
        """Drive a pending order now.

        Raises the errors of `place`, and Conflict when it is not pending.
        """
        request = Request("POST", f"{self._PATH}/{part(order_id)}/retry")
        return self._session.call(request, read_as(models.Order), repeatable=False)

    def change(
        self,
        order_id: str,
        *,
        items: Mapping[str, int] | None = None,
        expected_total: Money | None = None,
        shipping_address: models.Address | None = None,
        status: FulfilmentStatus | None = None,
        version: int | None = None,
    ) -> Flow[models.Order]:
        """Change the lines of a held order, or the address of an order that has not shipped.

        Staff may also advance `status`. Added products are quoted now; nothing is changed when the
        total is not the expected one. `version`: the version of the order that this change is based
        on. Raises VersionMismatch when the order has changed since. An order returned before
        `status` is reached gets there as soon as a service it needs is available again.
        """
        lines = None if items is None else _lines(items)
        body = {
            "items": lines,
            "expectedTotal": expected_total,
            "shippingAddress": shipping_address,
            "status": status,
        }
        path = f"{self._PATH}/{part(order_id)}"
        return self._send(
            "PUT", path, body, models.Order, repeatable=version is None, if_match=version
        )

    def wait_until(
        self, order_id: str, statuses: Collection[str], *, timeout_seconds: float = 30.0
    ) -> Flow[models.Order]:
        """Wait until the order has one of `statuses`, and return it.

        Raises StatusNotReached when the timeout is over, or when the order ended in another status.
        """
        give_up_at = time.monotonic() + timeout_seconds
        pause = FIRST_LOOK_SECONDS
        while (order := (yield from self.get(order_id))).status not in statuses:
            if order.status in FINAL_STATUSES or time.monotonic() + pause > give_up_at:
                raise StatusNotReached(
                    f"The order is {order.status}, not {' or '.join(sorted(statuses))}", order
                )
            yield Pause(pause)
            pause = min(SLOWEST_LOOK_SECONDS, pause * 1.5)
        return order


_read_order_placed = read_as(models.PlacedOrder)


def _read_placed(answer: Answer) -> models.PlacedOrder:
    replayed = answer.headers.get("idempotent-replayed") == "true"
    return msgspec.structs.replace(_read_order_placed(answer), replayed=replayed)


def _lines(items: Mapping[str, int]) -> list[dict[str, object]]:
    return [{"productId": product, "quantity": quantity} for product, quantity in items.items()]
