"""Stock changed by hand: adjust and update."""

import asyncio

import pytest

from tests.inventory.conftest import Shop, assert_books_balance, replica
from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.inventory.domain import NoWarehouse, OutOfStock, UnknownProducts, UnknownWarehouse
from valerix.inventory.schemas import AdjustBody, Adjusted, StockUpdated, UpdateBody


async def test_an_update_takes_from_the_warehouses_in_their_order(shop: Shop, url: str) -> None:
    await shop.add("A", east=3, west=4)
    assert await shop.stock.update(UpdateBody("A", -5, "k1"), "olga") == StockUpdated(True, 7, 2)
    assert [
        (w.warehouse_id, w.on_hand) for w in (await shop.stock.get_inventory("A")).warehouses
    ] == [
        ("WH-EAST", 0),
        ("WH-WEST", 2),
    ]
    await assert_books_balance(url)


async def test_a_repeated_key_returns_the_first_result_and_changes_nothing(
    shop: Shop, url: str
) -> None:
    await shop.add("A", east=100)
    body = UpdateBody("A", -2, "k1", order_id="o1")
    assert await shop.stock.update(body, "olga") == StockUpdated(True, 100, 98)
    await shop.stock.update(UpdateBody("A", -50, "k2"), "olga")
    again = await shop.stock.update(body, "olga")
    assert again == StockUpdated(
        True, 100, 98, idempotent=True, message="Request already processed"
    )
    assert await shop.level("A") == (48, 0)
    await assert_books_balance(url)


async def test_a_key_belongs_to_its_caller_its_route_and_its_body(shop: Shop) -> None:
    await shop.add("A", east=100)
    await shop.stock.update(UpdateBody("A", -2, "k1"), "olga")
    with pytest.raises(KeyReused):
        await shop.stock.update(UpdateBody("A", -3, "k1"), "olga")
    assert not (await shop.stock.update(UpdateBody("A", -3, "k1"), "oskar")).idempotent
    assert not (
        await shop.stock.adjust(AdjustBody("A", "WH-EAST", -1, "broken", "k1"), "olga")
    ).idempotent
    assert await shop.level("A") == (94, 0)


async def test_a_refused_change_may_be_repeated_under_its_key(shop: Shop) -> None:
    await shop.add("A", east=1)
    body = UpdateBody("A", -2, "k1")
    with pytest.raises(OutOfStock):
        await shop.stock.update(body, "olga")
    await shop.stock.update(UpdateBody("A", 5, "k2"), "olga")
    assert await shop.stock.update(body, "olga") == StockUpdated(True, 6, 4)


async def test_one_key_at_two_replicas_has_one_effect(shop: Shop, other: Shop, url: str) -> None:
    await shop.add("A", east=1000)

    async def send(replica: Shop, key: str) -> StockUpdated | KeyInFlight:
        try:
            return await replica.stock.update(UpdateBody("A", -1, key), "olga")
        except KeyInFlight as in_flight:
            return in_flight

    for number in range(20):
        answers = await asyncio.gather(
            *(send((shop, other)[n % 2], f"k{number}") for n in range(10))
        )
        fresh = [a for a in answers if isinstance(a, StockUpdated) and not a.idempotent]
        assert fresh == [StockUpdated(True, 1000 - number, 999 - number)]
    assert await shop.level("A") == (980, 0)
    await assert_books_balance(url)


async def test_reserved_units_cannot_be_taken_out_by_hand(shop: Shop) -> None:
    await shop.add("A", east=3, west=3)
    await shop.reserve("o1", ("A", 4))
    with pytest.raises(OutOfStock) as refusal:
        await shop.stock.update(UpdateBody("A", -3, "k1"), "olga")
    assert refusal.value.detail == "Not enough of A (wanted 3, available 2)"
    with pytest.raises(OutOfStock):
        await shop.stock.adjust(AdjustBody("A", "WH-EAST", -1, "broken"), "olga")
    assert await shop.level("A") == (6, 4)


async def test_an_adjustment_says_where_the_stock_stands(shop: Shop) -> None:
    await shop.add("A", east=3)
    await shop.reserve("o1", ("A", 2))
    answer = await shop.stock.adjust(AdjustBody("A", "WH-EAST", -1, "broken"), "olga")
    assert answer == Adjusted("A", "WH-EAST", 2, 2, 0, 3)
    assert await shop.stock.adjust(AdjustBody("A", "WH-WEST", 7, "found"), "olga") == Adjusted(
        "A", "WH-WEST", 7, 0, 7, 1
    )
    (movement, *_) = await shop.stock.list_movements("A", None, 1)
    assert (movement.kind, movement.reason, movement.actor) == ("adjust", "found", "olga")


async def test_what_does_not_exist_cannot_be_changed(shop: Shop, url: str) -> None:
    await shop.add("A")
    with pytest.raises(UnknownProducts):
        await shop.stock.update(UpdateBody("NONE", 1, "k1"), "olga")
    with pytest.raises(UnknownProducts):
        await shop.stock.adjust(AdjustBody("NONE", "WH-EAST", 1, "found"), "olga")
    with pytest.raises(UnknownWarehouse):
        await shop.stock.adjust(AdjustBody("A", "WH-NONE", 1, "found"), "olga")
    with pytest.raises(OutOfStock):
        await shop.stock.update(UpdateBody("A", -1, "k1"), "olga")
    await assert_books_balance(url)


async def test_units_of_a_product_without_a_shelf_go_to_the_first_warehouse(
    shop: Shop, url: str
) -> None:
    await shop.add("A")
    assert await shop.stock.update(UpdateBody("A", 4, "k1"), "olga") == StockUpdated(True, 0, 4)
    assert [w.warehouse_id for w in (await shop.stock.get_inventory("A")).warehouses] == ["WH-EAST"]
    await assert_books_balance(url)


async def test_without_a_warehouse_nothing_can_come_in(database_url: object) -> None:
    async with replica(database_url("inventory")) as shop:  # type: ignore[operator]
        await shop.add("A")
        with pytest.raises(NoWarehouse):
            await shop.stock.update(UpdateBody("A", 4, "k1"), "olga")
