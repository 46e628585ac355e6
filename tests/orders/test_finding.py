"""Orders are found by names and addresses of their customers.

Names and addresses are stored in the users service alone.
"""

from collections.abc import Callable
from urllib.parse import quote

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.orders import AWAY, WrittenOrders
from tests.support.processes import prepare, running
from valerix.contracts.commands import FIND_ORDERS
from valerix.users import demo

PATH = "/api/v1/orders"


async def found(api: Api, search: str) -> list[str]:
    answer = await api.get(f"{PATH}?q={quote(search)}")
    assert answer.status == 200, answer.body
    return [order["id"] for order in answer.json["items"]]


async def test_staff_find_orders_by_name_and_address_of_the_customer(
    database_url: Callable[..., str], identities: Identities
) -> None:
    users_url, orders_url = database_url("users"), database_url("orders")
    await demo.seed(
        users_url, demo_password="demo password 1", admin_password="unused here", demo=True
    )
    users = prepare("users", identities, database_url=users_url).start()
    peers = {"users_url": users.url, "inventory_url": AWAY, "payments_url": AWAY}
    with running("orders", identities, database_url=orders_url, **peers) as process:
        written = WrittenOrders(process, orders_url)
        old, other, new = [
            await written.write(customer_id=customer)
            for customer in ("CUST-001", "CUST-002", "CUST-001")
        ]
        async with Api.open(process.url, identities.person("operator")) as operator:
            for search in ("lovelace", "Ada Lovelace", "ada@demo.valerix.example", "CUST-001"):
                assert await found(operator, search) == [new, old]
            assert await found(operator, "hopper") == [other]
        async with Api.open(process.url, identities.person("customer", "CUST-001")) as ada:
            assert await found(ada, "lovelace") == []
            assert await found(ada, old[-12:]) == [old]
        users.end()
        async with Api.open(process.url, identities.person("operator")) as operator:
            assert await found(operator, "lovelace") == [], (
                "the rest of the search goes on without users"
            )
            assert await found(operator, new[-12:]) == [new]


async def test_payments_finds_orders_by_the_last_digits_of_their_ids(
    written_orders: WrittenOrders, identities: Identities
) -> None:
    order_id = await written_orders.write(("PROD-001", 1), ("PROD-002", 2))
    async with Api.open(
        written_orders.process.url, identities.service("payments", "orders")
    ) as payments:
        for search in (order_id[-12:], f"…{order_id[-8:]}"):
            assert (await payments.post(FIND_ORDERS, {"search": search})).json == {
                "orderIds": [order_id]
            }
        for search in ("CUST-001", order_id, ""):
            assert (await payments.post(FIND_ORDERS, {"search": search})).json == {"orderIds": []}
