"""The price of an order: quoted by inventory's first answer, a ceiling from then on."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from tests.orders.test_one_answer import Peers, open_flows
from valerix.chassis.base.deadline import Deadline, utc_now
from valerix.chassis.calls.client import Attempt, NotSent, OutcomeUnknown
from valerix.chassis.postgres.database import Database
from valerix.contracts import commands
from valerix.contracts.money import Money
from valerix.contracts.states import OrderStatus
from valerix.orders import errors
from valerix.orders.composition import PLANNED, OrderFlows
from valerix.orders.order import Order, OrderLine
from valerix.orders.placing import PlaceRequest, new_order


class Shop(Peers):
    """A catalogue with prices that change, and with or without goods in stock."""

    def __init__(self, **prices: int) -> None:
        super().__init__()
        self.prices = {sku: Money(price, "USD") for sku, price in prices.items()}
        self.in_stock = True
        self.away = False
        self.charged: list[Money] = []
        self.released: list[str] = []

    def products(self, skus: list[str]) -> list[commands.PricedProduct | None]:
        found = [self.prices.get(sku) for sku in skus]
        return [
            None
            if price is None
            else commands.PricedProduct(sku, sku.lower(), price.amount_minor, price.currency)
            for sku, price in zip(skus, found, strict=True)
        ]

    async def post(
        self, path: str, body: Any, answer: Any, *, deadline: Any = None, report: Any = None
    ) -> Any:
        match path:
            case commands.PRICE_PRODUCTS if self.away:
                raise OutcomeUnknown("inventory", "no answer")
            case commands.PRICE_PRODUCTS:
                return commands.ProductPrices(self.products(body.product_ids))
            case commands.RESERVE_STOCK:
                report(Attempt(utc_now(), 1.0, None))
                return commands.ReserveOutcomes(
                    [self._reserve(command) for command in body.commands]
                )
            case commands.CAPTURE_PAYMENTS:
                self.charged += [
                    Money(command.amount_minor, command.currency) for command in body.commands
                ]
            case commands.RELEASE_STOCK:
                self.released += body.order_ids
        return await super().post(path, body, answer, deadline=deadline, report=report)

    def _reserve(self, command: commands.ReserveStock) -> commands.ReserveOutcome:
        products = [
            product for product in self.products([li.product_id for li in command.lines]) if product
        ]
        if not self.in_stock:
            short = [commands.Shortage(line.product_id, line.quantity, 0) for line in command.lines]
            return commands.StockShort(command.order_id, short, products)
        taken = [
            commands.Allocation(line.product_id, "EAST", line.quantity) for line in command.lines
        ]
        return commands.StockReserved(command.order_id, taken, products)


@pytest.fixture
async def database(database_url: Callable[..., str]) -> AsyncIterator[Database]:
    async with Database.open(database_url("orders"), 4, PLANNED) as opened:
        yield opened


async def place(
    flows: OrderFlows,
    *lines: tuple[str, int],
    expected: Money | None = None,
    on_shortage: str = "hold",
) -> tuple[int, Order]:
    wanted = new_order(
        "CUST-001", [OrderLine(*line) for line in lines], "card_ok", on_shortage, None, expected
    )
    answer = await flows.placing.place(
        PlaceRequest(wanted, None, b"", "t" * 32, Deadline.after(60))
    )
    return answer.status, await flows.queries.get(wanted.id, None)


async def retry(flows: OrderFlows, order: Order) -> Order:
    await flows.changes.retry(order.id, None, Deadline.after(60))
    return await flows.queries.get(order.id, None)


async def edit(
    flows: OrderFlows, order: Order, *lines: tuple[str, int], expected: Money | None = None
) -> Order:
    new = [OrderLine(*line) for line in lines]
    await flows.changes.change(
        order.id,
        None,
        version=None,
        lines=new,
        expected_total=expected,
        address=None,
        deadline=Deadline.after(60),
    )
    return await flows.queries.get(order.id, None)


def cost(order: Order) -> tuple[list[int | None], int | None, str | None]:
    return [line.unit_price_minor for line in order.lines], order.total_minor, order.currency


async def test_a_held_order_says_what_it_would_cost(database: Database) -> None:
    shop = Shop(A=500, B=7)
    shop.in_stock = False
    status, order = await place(open_flows(database, shop), ("A", 2), ("B", 3))
    assert (status, order.status, order.held) == (409, OrderStatus.PENDING, True)
    assert cost(order) == ([500, 7], 1021, "USD")
    assert order.lines[0].name == "a"
    assert shop.charged == []


@pytest.mark.parametrize(("later", "charged"), [(900, 1000), (500, 1000), (300, 600), (0, 0)])
async def test_what_is_charged_is_the_lower_of_quote_and_catalogue(
    database: Database, later: int, charged: int
) -> None:
    shop = Shop(A=500)
    shop.in_stock = False
    flows = open_flows(database, shop)
    _, order = await place(flows, ("A", 2))
    shop.prices["A"], shop.in_stock = Money(later, "USD"), True
    order = await retry(flows, order)
    assert order.status is OrderStatus.CONFIRMED
    assert cost(order) == ([charged // 2], charged, "USD")
    assert shop.charged == ([Money(charged, "USD")] if charged else [])


async def test_a_price_that_went_down_and_up_again_while_waiting_is_the_quote(
    database: Database,
) -> None:
    shop = Shop(A=500)
    shop.in_stock = False
    flows = open_flows(database, shop)
    _, order = await place(flows, ("A", 1))
    for price in (300, 900):
        shop.prices["A"] = Money(price, "USD")
        order = await retry(flows, order)
        assert cost(order) == ([500], 500, "USD")


async def test_another_currency_ends_the_order_and_nothing_is_charged(database: Database) -> None:
    shop = Shop(A=1000)
    shop.in_stock = False
    flows = open_flows(database, shop)
    _, order = await place(flows, ("A", 2))
    shop.prices["A"], shop.in_stock = Money(99_900, "EUR"), True
    order = await retry(flows, order)
    assert (order.status, order.error_code) == (OrderStatus.FAILED, "price_changed")
    assert (shop.charged, shop.released, order.allocations) == ([], [order.id], None)


@pytest.mark.parametrize("in_stock", [True, False])
@pytest.mark.parametrize(
    "expected", [Money(999, "USD"), Money(1000, "EUR"), Money(1001, "USD")], ids=str
)
async def test_an_order_over_another_total_than_expected_is_refused(
    database: Database, expected: Money, in_stock: bool
) -> None:
    shop = Shop(A=500)
    shop.in_stock = in_stock
    status, order = await place(open_flows(database, shop), ("A", 2), expected=expected)
    assert (status, order.status, order.error_code) == (409, OrderStatus.FAILED, "total_differs")
    assert (shop.charged, shop.released) == ([], [order.id] if in_stock else [])


async def test_an_order_over_the_expected_total_is_confirmed(database: Database) -> None:
    shop = Shop(A=500)
    status, order = await place(open_flows(database, shop), ("A", 2), expected=Money(1000, "USD"))
    assert (status, order.status) == (201, OrderStatus.CONFIRMED)
    assert order.expected_total == Money(1000, "USD")


async def test_an_edit_quotes_what_it_adds_and_keeps_what_was_quoted(database: Database) -> None:
    shop = Shop(A=500, B=70)
    shop.in_stock = False
    flows = open_flows(database, shop)
    _, order = await place(flows, ("A", 2), expected=Money(1000, "USD"))
    shop.prices = {"A": Money(900, "USD"), "B": Money(80, "USD")}
    order = await edit(flows, order, ("A", 1), ("B", 2))
    assert cost(order) == ([500, 80], 660, "USD")
    assert order.expected_total is None, "it was that of other lines"
    shop.prices["B"], shop.in_stock = Money(1000, "USD"), True
    assert cost(await retry(flows, order)) == ([500, 80], 660, "USD")


async def test_an_edit_that_cannot_be_quoted_changes_nothing(database: Database) -> None:
    shop = Shop(A=500)
    shop.prices["EURO"] = Money(1, "EUR")
    shop.in_stock = False
    flows = open_flows(database, shop)
    _, order = await place(flows, ("A", 2))
    with pytest.raises(errors.UnknownProduct):
        await edit(flows, order, ("A", 1), ("NONE", 1))
    with pytest.raises(errors.NotChargeable):
        await edit(flows, order, ("A", 1), ("EURO", 1))
    with pytest.raises(errors.PriceChanged):
        await edit(flows, order, ("EURO", 1))
    with pytest.raises(errors.TotalDiffers):
        await edit(flows, order, ("A", 1), expected=Money(1, "USD"))
    shop.away = True
    with pytest.raises(NotSent):
        await edit(flows, order, ("A", 1))
    assert await flows.queries.get(order.id, None) == order


async def test_an_order_from_before_there_were_quotes_is_priced_when_stock_comes(
    database: Database,
) -> None:
    """Such are orders of an earlier version, and orders while an earlier inventory answers."""
    shop = Shop(A=500)
    shop.in_stock = False
    flows = open_flows(database, shop)
    _, order = await place(flows, ("A", 2))
    async with database.connection() as tx:
        lines = msgspec.json.encode([["A", 2, None, None]]).decode()
        await tx.execute("UPDATE orders SET lines = $1, currency = NULL, total_minor = NULL", lines)
    shop.in_stock = True
    assert cost(await retry(flows, order)) == ([500], 1000, "USD")
