"""Finding orders among ten thousand, over HTTP, in a real process."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.many_orders import Made, insert_orders
from tests.support.processes import running

COUNT = 10_000
NOWHERE = "http://127.0.0.1:9"
PATH = "/api/v1/orders"
Found = tuple[Api, list[Made]]


@pytest.fixture
async def shop(database_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Found]:
    """The API as an operator, with the orders in its database."""
    url, identities = database_url("orders"), Identities(tmp_path)
    made = await insert_orders(url, COUNT)
    peers = {"users_url": NOWHERE, "inventory_url": NOWHERE, "payments_url": NOWHERE}
    with running("orders", identities, database_url=url, **peers) as process:
        async with Api.open(process.url, identities.person("operator")) as api:
            yield api, made


async def page(api: Api, **query: Any) -> dict[str, Any]:
    answer = await api.get(f"{PATH}?{urlencode(query, doseq=True)}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


async def ids(api: Api, **query: Any) -> list[str]:
    """Return the ids of all pages."""
    found, cursor = list[str](), None
    while True:
        shown = await page(api, limit=200, **query, **({"cursor": cursor} if cursor else {}))
        found += [order["id"] for order in shown["items"]]
        if (cursor := shown["nextCursor"]) is None:
            return found


async def test_ten_thousand_orders_are_searched_filtered_and_paged(shop: Found) -> None:
    api, made = shop
    assert await ids(api) == [order.id for order in made]
    failed = [order.id for order in made if order.status in ("failed", "cancelled")]
    assert await ids(api, status=["failed", "cancelled"]) == failed
    theirs = [
        order.id for order in made if order.customer == "CUST-004" and order.product == "PROD-007"
    ]
    assert await ids(api, q="cust-004", productId="PROD-007") == theirs
    wanted = made[7654]
    assert (
        await ids(api, q=wanted.id)
        == await ids(api, q=f"{wanted.id[:8]}…{wanted.id[-4:]}")
        == [wanted.id]
    )
    assert await ids(api, q=wanted.id[:18]) == [wanted.id]
    for shown in (wanted.id[-12:], f"…{wanted.id[-12:]}", wanted.id[-9:].upper()):
        assert await ids(api, q=shown) == [wanted.id]
    since = {"from": made[99].at.isoformat(), "sort": "createdAt"}
    assert await ids(api, **since) == [order.id for order in made[:100]][::-1]


async def test_the_last_digits_of_an_id_find_all_orders_that_have_them(shop: Found) -> None:
    api, made = shop
    last = next(
        digits for digits, count in Counter(order.id[-4:] for order in made).items() if count > 1
    )
    assert await ids(api, q=last) == [
        order.id for order in made if order.id[-4:] == last or order.id.startswith(last)
    ]


async def test_a_cursor_or_status_nobody_gave_is_refused(shop: Found) -> None:
    api, _ = shop
    assert (await api.get(f"{PATH}?status=lost")).status == 400
    assert (await api.get(f"{PATH}?cursor=WyJub25lIl0")).status == 400
    assert (await api.get(f"{PATH}?q=%00")).status in (200, 400)
