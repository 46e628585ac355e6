"""The demo catalogue and its seeding."""

from collections.abc import Callable
from typing import Any

from tests.inventory.conftest import assert_books_balance, replica
from valerix.inventory import demo
from valerix.inventory.schemas import InventoryFilter, UpdateBody


async def test_the_first_start_fills_the_shop_and_later_ones_change_nothing(
    database_url: Callable[..., str],
) -> None:
    url = database_url("inventory")
    await demo.seed(url)
    async with replica(url) as shop:
        item = await shop.stock.get_inventory("PROD-001")
        assert (item.name, item.available, len(item.warehouses)) == ("Dell XPS 15", 100, 2)
        price = (await shop.catalogue.get_product("PROD-001")).price
        assert (price.amount_minor, price.currency) == (129_900, "USD")
        everything: Any = {"q": None, "warehouse_id": None, "after": "", "limit": 200}
        assert (
            len(await shop.stock.list_inventory(InventoryFilter(low_stock=False, **everything)))
            == 22
        )
        low = await shop.stock.list_inventory(InventoryFilter(low_stock=True, **everything))
        assert [item.product_id for item in low] == ["PROD-012", "PROD-016"]

        await shop.stock.update(UpdateBody("PROD-001", -2, "k"), "olga")
        await demo.seed(url)
        assert await shop.level("PROD-001") == (98, 0)
    await assert_books_balance(url)
