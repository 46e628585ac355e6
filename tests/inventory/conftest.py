"""Inventory on real databases: use cases in two replicas, a service, and audits of its books."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import pytest

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.orders import WrittenOrders
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.postgres.database import KEYED, Database
from valerix.contracts.commands import (
    Line,
    PricedProduct,
    ReservationState,
    ReserveOutcome,
    ReserveStock,
    StockReserved,
)
from valerix.contracts.ids import new_id
from valerix.contracts.money import Money
from valerix.contracts.states import ReservationStatus
from valerix.inventory import demo
from valerix.inventory.catalogue import Catalogue
from valerix.inventory.composition import connect
from valerix.inventory.domain import Ending
from valerix.inventory.reserving import Reserving
from valerix.inventory.schemas import AdjustBody, InitialStock, NewProduct, NewWarehouse
from valerix.inventory.use_cases import Stock

EAST, WEST = "WH-EAST", "WH-WEST"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOOKS = """
SELECT s.sku, s.warehouse_id, s.on_hand, s.reserved, s.version, m.*, r.live
FROM stock s
CROSS JOIN LATERAL (
    SELECT count(*) AS movements, coalesce(max(seq), 0) AS last,
           coalesce(sum(on_hand_delta), 0) AS on_hand_sum,
           coalesce(sum(reserved_delta), 0) AS reserved_sum
    FROM movements m WHERE m.sku = s.sku AND m.warehouse_id = s.warehouse_id
) m
CROSS JOIN LATERAL (
    SELECT coalesce(sum((l ->> 'quantity')::bigint), 0) AS live
    FROM reservations r, jsonb_array_elements(r.lines) l
    WHERE r.state = 'reserved'
      AND l ->> 'productId' = s.sku AND l ->> 'warehouseId' = s.warehouse_id
) r
CROSS JOIN LATERAL (
    SELECT coalesce(sum((l ->> 'quantity')::bigint), 0) AS set_aside
    FROM waiting_lines w, jsonb_array_elements(w.set_aside) l
    WHERE l ->> 'productId' = s.sku AND l ->> 'warehouseId' = s.warehouse_id
) w
WHERE (s.version, s.version, s.on_hand, s.reserved, s.reserved)
      IS DISTINCT FROM (m.movements, m.last, m.on_hand_sum, m.reserved_sum, r.live + w.set_aside)
"""
UNSERVED = """
SELECT o.order_id, l.sku
FROM waiting_orders o JOIN waiting_lines l USING (order_id) JOIN products p USING (sku)
WHERE l.missing > 0 AND p.active AND (
    EXISTS (SELECT FROM stock s WHERE s.sku = l.sku AND s.on_hand > s.reserved)
    OR EXISTS (SELECT FROM waiting_lines y JOIN waiting_orders younger USING (order_id)
               WHERE y.sku = l.sku AND y.missing < y.quantity AND younger.missing > 0
                 AND (younger.since, younger.order_id) > (o.since, o.order_id)))
UNION ALL
SELECT order_id, 'sum of lines' FROM waiting_orders o
WHERE missing <> (SELECT sum(missing) FROM waiting_lines l WHERE l.order_id = o.order_id)
UNION ALL
SELECT order_id, sku FROM waiting_lines w
WHERE quantity - missing
   <> (SELECT coalesce(sum((l ->> 'quantity')::bigint), 0) FROM jsonb_array_elements(w.set_aside) l)
UNION ALL
SELECT order_id, coalesce(state, 'not among the reservations')
FROM waiting_orders FULL JOIN (SELECT * FROM reservations WHERE state = 'absent') r USING (order_id)
WHERE since IS NULL OR state IS NULL
"""
"""Finds orders that lack available units, or units that a younger incomplete order holds; wrong
sums; and orders that wait according to one table and not according to another.
"""
BROKEN_CHAINS = """
SELECT sku, warehouse_id, seq FROM (
    SELECT *, sum(on_hand_delta) OVER chain AS on_hand_sum,
           sum(reserved_delta) OVER chain AS reserved_sum,
           occurred_at < lag(occurred_at) OVER chain AS backwards
    FROM movements WINDOW chain AS (PARTITION BY sku, warehouse_id ORDER BY seq)
) m
WHERE on_hand_after <> on_hand_sum OR reserved_after <> reserved_sum OR backwards
      OR reserved_after NOT BETWEEN 0 AND on_hand_after
"""


def priced(sku: str) -> PricedProduct:
    """The product that `Shop.add` creates."""
    return PricedProduct(sku, f"The {sku}", 500, "USD")


class Shop(NamedTuple):
    """One replica of the use cases, with shortcuts for tests."""

    database: Database
    reserving: Reserving
    stock: Stock
    catalogue: Catalogue

    async def add(self, sku: str, east: int = 0, west: int = 0, **fields: object) -> None:
        initial = [
            InitialStock(where, units) for where, units in ((EAST, east), (WEST, west)) if units
        ]
        product = NewProduct(
            product_id=sku, name=f"The {sku}", price=Money(500, "USD"), initial_stock=initial
        )
        for name, value in fields.items():
            product = type(product)(
                **{f: getattr(product, f) for f in product.__struct_fields__} | {name: value}
            )
        await self.catalogue.create_product(product, "tester")

    async def reserve(self, order_id: str, *lines: tuple[str, int]) -> ReserveOutcome:
        return (await self.reserve_all((order_id, *lines)))[0]

    async def reserve_all(self, *orders: tuple[object, ...]) -> list[ReserveOutcome]:
        commands = [
            ReserveStock(str(order), [Line(*line) for line in lines])  # type: ignore[misc]
            for order, *lines in orders
        ]
        return await self.reserving.reserve(commands, "tester", Deadline.after(30))

    async def wait(
        self, order_id: str, *lines: tuple[str, int], minutes: int | None = None
    ) -> ReserveOutcome:
        """Reserve for a backorder accepted `minutes` after noon.

        The default is the number of the order.
        """
        since = NOON + timedelta(minutes=int(order_id.strip("o")) if minutes is None else minutes)
        command = ReserveStock(order_id, [Line(*line) for line in lines], since)
        (outcome,) = await self.reserving.reserve([command], "tester", Deadline.after(30))
        return outcome

    async def bring(self, sku: str, units: int, where: str = EAST) -> None:
        await self.stock.adjust(AdjustBody(sku, where, units, "delivery"), "olga")

    async def release(self, *order_ids: str) -> list[ReservationState]:
        return await self.reserving.end(
            [Ending(i, ReservationStatus.RELEASED) for i in order_ids], "tester", Deadline.after(30)
        )

    async def commit(self, *order_ids: str) -> list[ReservationState]:
        return await self.reserving.end(
            [Ending(i, ReservationStatus.COMMITTED) for i in order_ids],
            "tester",
            Deadline.after(30),
        )

    async def level(self, sku: str) -> tuple[int, int]:
        """The stock of a product: (on hand, reserved)."""
        item = await self.stock.get_inventory(sku)
        return item.on_hand, item.reserved


@asynccontextmanager
async def replica(url: str, set_aside: timedelta = timedelta(days=1)) -> AsyncIterator[Shop]:
    async with Database.open(url, 8, KEYED) as database:
        yield Shop(database, *connect(database, set_aside))


@pytest.fixture
async def url(database_url: Callable[..., str]) -> str:
    """A database with two empty warehouses."""
    fresh = database_url("inventory")
    async with replica(fresh) as shop:
        await shop.catalogue.create_warehouse(NewWarehouse(EAST, "East", 1))
        await shop.catalogue.create_warehouse(NewWarehouse(WEST, "West", 2))
    return fresh


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    async with replica(url) as shop:
        yield shop


@pytest.fixture
async def other(url: str) -> AsyncIterator[Shop]:
    """A second replica on the same database."""
    async with replica(url) as shop:
        yield shop


async def assert_books_balance(url: str) -> None:
    """Check that stock equals the sum of its movements, which have no gaps, and reserved units
    equal the units reserved or set aside; and that the waiting list is served in order of age.
    """
    connection = await asyncpg.connect(url)
    try:
        assert [dict(row) for row in await connection.fetch(BOOKS)] == []
        assert [dict(row) for row in await connection.fetch(BROKEN_CHAINS)] == []
        assert [dict(row) for row in await connection.fetch(UNSERVED)] == []
    finally:
        await connection.close()


async def set_aside(shop: Shop) -> dict[str, dict[str, int]]:
    """The units set aside, by waiting order and product."""
    async with shop.database.connection() as tx:
        rows = await tx.fetch(
            "SELECT order_id, sku, quantity - missing AS held FROM waiting_lines ORDER BY sku"
        )
    found: dict[str, dict[str, int]] = {row["order_id"]: {} for row in rows}
    for row in rows:
        if row["held"]:
            found[row["order_id"]][row["sku"]] = row["held"]
    return dict(sorted(found.items()))


async def told_ready(shop: Shop) -> list[str]:
    """The orders with an event of readiness, in the order of the events; empties the outbox."""
    async with shop.database.connection() as tx:
        rows = await tx.fetch("DELETE FROM outbox RETURNING id, events")
    events: list[Any] = [
        event for row in sorted(rows, key=lambda row: row["id"]) for event in row["events"]
    ]
    ready = [event for event in events if event[0] == "inventory.reservation_ready"]
    assert all(event[1] == event[5]["orderId"] for event in ready)
    return [event[1] for event in ready]


def reserved(outcome: ReserveOutcome) -> StockReserved:
    assert isinstance(outcome, StockReserved), outcome
    return outcome


def order_id() -> str:
    return new_id()


# --- over HTTP


@pytest.fixture(scope="session")
def service_url(postgres: PostgresServer) -> Iterator[str]:
    name, url = postgres.fresh_database("inventory")
    yield url
    postgres.drop(name)


@pytest.fixture(scope="session")
def service(
    service_url: str, written_orders: WrittenOrders, identities: Identities
) -> Iterator[Process]:
    """One process of the service for all tests of this folder."""
    urls = {"database_url": service_url, "orders_url": written_orders.process.url}
    with running("inventory", identities, **urls) as process:
        yield process


@pytest.fixture
async def api(service: Process, service_url: str, identities: Identities) -> AsyncIterator[Api]:
    """The demo catalogue, called as an operator."""
    await demo.seed(service_url)
    async with Api.open(service.url, identities.person("operator", subject="olga")) as api:
        yield api
