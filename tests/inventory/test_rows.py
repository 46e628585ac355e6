"""Written rows are read back. Each column has another value, so swapped columns are noticed."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

import pytest

from tests.inventory.statements import CATALOGUE, RESERVATIONS, STOCK
from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Database, Transaction
from valerix.chassis.postgres.rows import Reader
from valerix.contracts.commands import Allocation, PricedProduct
from valerix.contracts.money import Money
from valerix.contracts.states import ReservationStatus
from valerix.inventory import schemas
from valerix.inventory.domain import (
    COMMIT,
    RECEIVE,
    RESERVE,
    UPDATE,
    Ended,
    Ending,
    Initiator,
    Movement,
    Offer,
    Reservation,
    ReserveLine,
    Shelf,
    Source,
)
from valerix.inventory.repository.outbox import list_outgoing
from valerix.inventory.repository.stock import KeyedChange, Level
from valerix.inventory.schemas import (
    InventoryFilter,
    NewProduct,
    NewWarehouse,
    Product,
    Warehouse,
    WarehouseStock,
)

NEW = NewProduct(
    product_id="sku-1",
    name="name-1",
    price=Money(1299, "EUR"),
    description="description-1",
    active=True,
    low_stock_threshold=3,
)
PRICED = PricedProduct("sku-1", "name-1", 1299, "EUR")
RESERVED = Reservation(
    "order-1", ReservationStatus.RESERVED, [Allocation("sku-1", "wh-1", 8)], [PRICED]
)


@pytest.fixture
async def tx(database_url: Callable[..., str]) -> AsyncIterator[Transaction]:
    """A database with two warehouses, and a product without stock."""
    async with (
        Database.open(database_url("inventory"), 1) as database,
        database.transaction() as tx,
    ):
        await CATALOGUE.insert_product(tx, NEW)
        for number in (1, 2):
            await CATALOGUE.insert_warehouse(
                tx, NewWarehouse(f"wh-{number}", f"name-{number}", number)
            )
            await STOCK.open_shelf(tx, "sku-1", f"wh-{number}")
        yield tx


async def now(tx: Transaction) -> datetime:
    moment: datetime = await tx.fetchval("SELECT now()")
    return moment


async def ledger(tx: Transaction) -> list[Movement]:
    rows = await tx.fetch("SELECT * FROM movements ORDER BY warehouse_id, seq")
    return [Reader(Movement).read(row) for row in rows]


def shown(movement: Movement, occurred_at: datetime) -> schemas.LedgerEntry:
    """The stock of a product, as the API shows it."""
    values = movement._asdict()
    del values["idempotency_key"]
    return schemas.LedgerEntry(product_id=values.pop("sku"), occurred_at=occurred_at, **values)


async def test_products(tx: Transaction) -> None:
    moment = await now(tx)
    begun = Product(
        "sku-1", "name-1", "description-1", Money(1299, "EUR"), True, 3, 1, moment, moment
    )
    assert await CATALOGUE.find_product(tx, "sku-1") == begun
    body = schemas.ProductBody(
        "name-2", Money(2399, "USD"), "description-2", active=False, low_stock_threshold=4
    )
    changed = Product(
        "sku-1", "name-2", "description-2", Money(2399, "USD"), False, 4, 2, moment, moment
    )
    assert await CATALOGUE.update_product(tx, "sku-1", body, 1) == changed


async def test_warehouses(tx: Transaction) -> None:
    moment = await now(tx)
    third = await CATALOGUE.insert_warehouse(tx, NewWarehouse("wh-3", "name-3", 30))
    assert third == Warehouse("wh-3", "name-3", 30, moment)
    assert await CATALOGUE.list_warehouses(tx, after="wh-2", limit=10) == [third]


async def test_what_a_batch_writes(tx: Transaction) -> None:
    movements = [
        Movement(
            "sku-1", "wh-1", 7, 60, 8, 90, 10, RESERVE, "order-1", None, None, "actor-1", "trace-1"
        ),
        Movement(
            "sku-1",
            "wh-2",
            5,
            40,
            6,
            70,
            20,
            UPDATE,
            "order-2",
            "key-2",
            "reason-2",
            "actor-2",
            "trace-2",
        ),
    ]
    await STOCK.write(tx, movements, [RESERVED])
    assert await ledger(tx) == movements
    assert await RESERVATIONS.find_reservations(tx, ["order-1"]) == {"order-1": RESERVED}

    shelves = [Shelf("sku-1", "wh-1", 90, 10, 7), Shelf("sku-1", "wh-2", 70, 20, 5)]
    assert await STOCK.lock_offers(tx, ["sku-1"]) == {"sku-1": Offer(PRICED, True, shelves)}
    assert await STOCK.list_stock_levels(tx, 10) == [
        Level("sku-1", "wh-1", 80),
        Level("sku-1", "wh-2", 50),
    ]
    warehouses = [WarehouseStock("wh-1", 90, 10, 80), WarehouseStock("wh-2", 70, 20, 50)]
    item = schemas.InventoryItem("sku-1", "name-1", True, 160, 30, 130, 3, False, warehouses)
    assert await STOCK.list_inventory(tx, InventoryFilter(None, None, False, "", 10)) == [item]

    moment = await tx.fetchval("SELECT min(occurred_at) FROM movements")
    found = await STOCK.list_movements(tx, "sku-1", before=None, limit=10)
    assert found == [shown(movement, moment) for movement in reversed(movements)]
    entries = await list_outgoing(tx, 10)
    restocked = "inventory.restocked"
    assert [entry._replace(data="") for entry in entries] == [
        Entry(1, restocked, "sku-1/wh-2", 5, moment, "trace-2", ""),
        Entry(1, restocked, "sku-1/wh-1", 7, moment, "trace-1", ""),
    ]


async def test_what_orders_take_and_end(tx: Transaction) -> None:
    received = Movement(
        "sku-1", "wh-1", 1, 90, 0, 90, 0, RECEIVE, None, None, "reason", "actor", "trace"
    )
    await STOCK.write(tx, [received])
    claim = ReserveLine("order-1", "sku-1", 8, "actor-1", "trace-1")
    assert await RESERVATIONS.take(tx, [claim]) == {"sku-1": Source(PRICED, "wh-1")}
    assert await RESERVATIONS.find_reservations(tx, ["order-1"]) == {"order-1": RESERVED}

    endings = [
        (Ending("order-1", ReservationStatus.COMMITTED), Initiator("actor-2", "trace-2")),
        (Ending("order-2", ReservationStatus.RELEASED), Initiator("actor-3", "trace-3")),
        (Ending("order-3", ReservationStatus.COMMITTED), Initiator("actor-4", "trace-4")),
    ]
    assert sorted(await RESERVATIONS.end(tx, endings)) == [
        Ended("order-1", ReservationStatus.COMMITTED, 1, True, True),
        Ended("order-2", ReservationStatus.RELEASED, 0, True, False),
        Ended("order-3", ReservationStatus.ABSENT, 0, False, False),
    ]
    assert await ledger(tx) == [
        received,
        Movement(
            "sku-1", "wh-1", 2, 0, 8, 90, 8, RESERVE, "order-1", None, None, "actor-1", "trace-1"
        ),
        Movement(
            "sku-1", "wh-1", 3, -8, -8, 82, 0, COMMIT, "order-1", None, None, "actor-2", "trace-2"
        ),
    ]


async def test_changes_under_a_key(tx: Transaction) -> None:
    await STOCK.insert_keyed_change(tx, b"lookup", b"fingerprint", Money(1, "EUR"))
    found = await STOCK.find_keyed_change(tx, b"lookup")
    assert found == KeyedChange(b"fingerprint", {"amountMinor": 1, "currency": "EUR"})
