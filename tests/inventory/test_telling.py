"""The events of the ledger: which movement becomes which event."""

from typing import Any

from tests.inventory.conftest import EAST, Shop
from valerix.inventory.schemas import AdjustBody, UpdateBody


async def told(shop: Shop) -> list[tuple[str, str, Any]]:
    """(name, place, units available in all) of every event in the outbox; empties the outbox."""
    async with shop.database.connection() as tx:
        rows = await tx.fetch("DELETE FROM outbox RETURNING id, events")
    events = [event for row in sorted(rows, key=lambda row: row["id"]) for event in row["events"]]
    return [(name, place, data["availableInAll"]) for name, place, _, _, _, data in events]


async def test_low_stock_is_told_when_a_reservation_crosses_the_threshold_and_only_then(
    shop: Shop,
) -> None:
    await shop.add("A", east=3, west=2, low_stock_threshold=2)
    await told(shop)
    await shop.reserve("o1", ("A", 2))
    assert await told(shop) == []
    await shop.reserve("o2", ("A", 1))
    assert await told(shop) == [("inventory.low_stock", f"A/{EAST}", 2)]
    await shop.reserve("o3", ("A", 1))
    assert await told(shop) == []


async def test_low_stock_is_told_when_stock_is_taken_out_by_hand(shop: Shop) -> None:
    await shop.add("A", east=5, low_stock_threshold=3)
    await told(shop)
    await shop.stock.adjust(AdjustBody("A", EAST, -3, "broken"), "olga")
    assert await told(shop) == [("inventory.low_stock", f"A/{EAST}", 2)]
    await shop.stock.update(UpdateBody("A", -1, "k1"), "olga")
    assert await told(shop) == [("inventory.updated", f"A/{EAST}", None)]
    await shop.stock.adjust(AdjustBody("A", EAST, 9, "delivery"), "olga")
    assert await told(shop) == [("inventory.restocked", f"A/{EAST}", None)]


async def test_low_stock_says_after_which_delivery(shop: Shop) -> None:
    async def deliveries() -> list[int]:
        async with shop.database.connection() as tx:
            rows = await tx.fetch("DELETE FROM outbox RETURNING events")
        events = [event for row in rows for event in row["events"]]
        return [data["delivery"] for name, *_, data in events if name == "inventory.low_stock"]

    await shop.add("A", east=3, low_stock_threshold=2)
    await shop.reserve("o1", ("A", 1))
    await shop.release("o1")
    await shop.reserve("o2", ("A", 1))
    first, again = await deliveries()
    assert first == again
    await shop.bring("A", 1)
    await shop.reserve("o3", ("A", 1))
    (other,) = await deliveries()
    assert other != first
