"""The order: its lines, its price, and its moves from state to state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from valerix.contracts.commands import Allocation, PricedProduct
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders.errors import (
    IllegalOrderTransition,
    InsufficientStock,
    NotChargeable,
    PriceChanged,
    TotalDiffers,
)
from valerix.orders.transitions import LOCAL_STEPS, TRANSITIONS

HOLD, BACKORDER, REJECT = "hold", "backorder", "reject"
ON_SHORTAGE: Final = (HOLD, BACKORDER, REJECT)
MAX_TOTAL_MINOR: Final = 10**12


@dataclass(slots=True)
class OrderLine:
    """One product of an order; name and price are known after inventory has answered."""

    product_id: str
    quantity: int
    name: str | None = None
    unit_price_minor: int | None = None


@dataclass(slots=True)
class Order:
    """An order as its row holds it. Amounts are in minor units, times are aware UTC."""

    id: str
    customer_id: str
    lines: list[OrderLine]
    payment_method: str
    on_shortage: str
    created_at: datetime
    updated_at: datetime
    shipping_address: dict[str, Any] | None = None
    status: OrderStatus = OrderStatus.PENDING
    version: int = 1
    currency: str | None = None
    total_minor: int | None = None
    allocations: list[Allocation] | None = None
    payment_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    cancel_reason: str | None = None
    expected_total: Money | None = None
    """The total the customer is willing to pay; for another total the order is refused."""
    held_until: datetime | None = None
    """The end of the wait for the customer or for stock.

    If the order is being driven at that moment, it ends after that run.
    """
    refunded_minor: int | None = None
    """Total of the refunds by staff; None: no refund."""
    lease_epoch: int = 0
    attempts: int = 0

    @property
    def held(self) -> bool:
        """Whether the order waits for stock: nothing is reserved and nothing was charged."""
        return self.status is OrderStatus.PENDING and self.error_code == InsufficientStock.code

    @property
    def backordered(self) -> bool:
        """Whether the order takes a place on inventory's waiting list when stock is short."""
        return self.on_shortage == BACKORDER

    @property
    def driven_before(self) -> bool:
        """Whether an earlier run may have reserved and charged.

        Since the order was written, staff may have done so, too. So the order ends with a void and
        a release, which refuse late charges and reserves.
        """
        return self.attempts > 0

    @property
    def local_step(self) -> bool:
        """Whether the next step needs no other service: it is written where the order is found."""
        return self.status in LOCAL_STEPS and self.cancel_reason is None

    def is_reserved_by(self, allocations: Sequence[Allocation]) -> bool:
        """Return whether the allocations match the order's lines.

        Lines that name one product are summed, as are the warehouses of a product.
        """
        return _quantities(self.lines) == _quantities(allocations)

    def quote(self, products: Sequence[PricedProduct]) -> None:
        """Fix the price of each line that has none: from now on the line costs no more.

        Raises the errors of `price`.
        """
        self._price(products, lambda quoted, _: quoted)

    def price(self, products: Sequence[PricedProduct]) -> None:
        """Fix the price to charge: line by line the lower one of quote and catalogue.

        Raises NotChargeable for mixed currencies or a total above MAX_TOTAL_MINOR, PriceChanged for
        another currency than the quote's, TotalDiffers for another total than the customer expects.
        """
        self._price(products, min)

    def _price(self, products: Sequence[PricedProduct], choose: Callable[[int, int], int]) -> None:
        by_id = {product.product_id: product for product in products}
        currencies = {product.currency for product in products}
        if len(currencies) != 1:
            named = ", ".join(sorted(currencies))
            raise NotChargeable(f"All products of an order must have one currency, not {named}")
        (currency,) = currencies
        if self.currency not in (None, currency):
            raise PriceChanged(f"The price was quoted in {self.currency}, and is in {currency} now")
        total = 0
        for line in self.lines:
            product, quoted = by_id[line.product_id], line.unit_price_minor
            price = product.unit_price_minor
            line.name, line.unit_price_minor = (
                product.name,
                price if quoted is None else choose(quoted, price),
            )
            total += line.unit_price_minor * line.quantity
        if total > MAX_TOTAL_MINOR:
            raise NotChargeable("The total of the order is too large to charge")
        self.currency, self.total_minor = currency, total
        if self.expected_total not in (None, Money(total, currency)):
            raise TotalDiffers(Money(total, currency))

    @property
    def cancelling(self) -> bool:
        """Whether a cancellation is requested, and not yet known to be in time."""
        return self.cancel_reason is not None and self.status.cancellable

    def refund(self, amount_minor: int, now: datetime) -> None:
        """Record a refund of this amount: the next version, in the same state."""
        self.refunded_minor = (self.refunded_minor or 0) + amount_minor
        self.version, self.updated_at = self.version + 1, now

    def move(self, status: OrderStatus, now: datetime) -> None:
        """Enter `status` with the next version. Raises IllegalOrderTransition."""
        if status not in TRANSITIONS[self.status]:
            raise IllegalOrderTransition(self.status, status)
        self.status, self.version, self.updated_at = status, self.version + 1, now


def _quantities(parts: Sequence[OrderLine] | Sequence[Allocation]) -> dict[str, int]:
    quantities: dict[str, int] = {}
    for part in parts:
        quantities[part.product_id] = quantities.get(part.product_id, 0) + part.quantity
    return quantities


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """The filter and the page of a list of orders; None: no restriction.

    `first` and `last` are ids, [first, last).
    """

    limit: int
    ascending: bool = False
    after: str | None = None
    owner_id: str | None = None
    statuses: Sequence[OrderStatus] | None = None
    product_id: str | None = None
    search: str | None = None
    customers: Sequence[str] = ()
    """Numbers of the customers that match `search` by name or address."""
    first: str | None = None
    last: str | None = None
    trace_id: str | None = None


class CustomerSeen(NamedTuple):
    """A customer as an event describes it; a higher `sequence` is newer."""

    customer_id: str
    standing: str
    sequence: int
