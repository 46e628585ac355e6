"""Answers and live events about the same thing: either may come first, both are shown as one."""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import NewCustomer, Open
from tests.browser.races import Race
from tests.browser.test_losing import live
from tests.browser.test_orders import ROWS
from tests.browser.test_shop import choose
from tests.support.eventually import eventually
from tests.support.stack import OPERATOR, Stack, new_product, place

ORDERS = "**/api/v1/orders"
ORDER = "**/api/v1/orders/*"


class Scene(NamedTuple):
    """One product with ten units in stock, and a customer without orders."""

    stack: Stack
    sku: str
    email: str
    customer: str

    async def placed(self, quantity: int = 1) -> str:
        """The id of a new order of this customer; it is held if stock is insufficient."""
        async with self.stack.api(self.email) as api:
            answer = (await place(api, {self.sku: quantity}, self.customer)).json
        order_id: str = answer.get("order", answer)["id"]
        return order_id

    async def restocked(self) -> None:
        async with self.stack.api(OPERATOR) as operator:
            body = {
                "productId": self.sku,
                "warehouseId": "WH-EAST",
                "delta": 90,
                "reason": "delivery",
            }
            assert (await operator.post("/api/v1/inventory/adjust", body)).status == 200


@pytest_asyncio.fixture(loop_scope="session")
async def scene(stack: Stack, new_customer: NewCustomer) -> Scene:
    sku, customer = f"RACE-{uuid4().hex[:8].upper()}", await new_customer()
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, sku, 10)
    return Scene(stack, sku, *customer)


# --- actions of a user, up to the last click


async def shop(_: Scene) -> str:
    return "/"


async def order(scene: Scene, page: Page) -> None:
    await choose(page, scene.sku)
    number = page.get_by_label("Customer number")
    if await number.count():
        await number.fill(scene.customer)
    await page.get_by_role("button", name="Create order").click()


async def held_order(scene: Scene) -> str:
    return f"/orders/{await scene.placed(99)}"


async def retry(scene: Scene, page: Page) -> None:
    await scene.restocked()
    await page.get_by_role("button", name="Retry now").click()


async def cancel(_: Scene, page: Page) -> None:
    await page.get_by_role("button", name="Cancel order").click()
    await page.get_by_role("button", name="Cancel the order").click()


async def paid_order(scene: Scene) -> str:
    """A paid and delivered order: all of its money may be refunded."""
    order_id = await scene.placed()
    async with scene.stack.api(scene.email) as api:

        async def arrived() -> bool:
            return bool((await api.get(f"/api/v1/orders/{order_id}")).json["status"] == "completed")

        await eventually(arrived)
    return f"/orders/{order_id}"


async def refund(_: Scene, page: Page) -> None:
    await page.get_by_role("button", name="Refund").click()
    await page.get_by_label("Reason").fill("late")
    await page.get_by_role("button", name="Refund $10.00").click()


async def stock(scene: Scene) -> str:
    return f"/inventory?q={scene.sku}"


async def adjust(_: Scene, page: Page) -> None:
    await page.get_by_role("button", name=re.compile("^Adjust Test")).click()
    await page.get_by_label("Units more or fewer").fill("-6")
    await page.get_by_label("Reason").fill("counted")
    await page.get_by_role("button", name="Adjust", exact=True).click()


class Deed(NamedTuple):
    start: Callable[[Scene], Awaitable[str]]
    """Prepares the data of the deed; returns the path of the page."""
    act: Callable[[Scene, Page], Awaitable[None]]
    call: tuple[str, str]
    """Method and address."""
    event: str
    toast: str


PLACE = Deed(shop, order, ("POST", ORDERS), "order.confirmed", "^Order confirmed$")
RETRY = Deed(held_order, retry, ("POST", "**/retry"), "order.confirmed", "^Order confirmed$")
CANCEL = Deed(held_order, cancel, ("DELETE", ORDER), "order.cancelled", "^Order cancelled$")
REFUND = Deed(paid_order, refund, ("POST", "**/refund"), "payment.refunded", "refunded$")
ADJUST = Deed(stock, adjust, ("POST", "**/adjust"), "inventory.updated", "4 on hand")
DEEDS = {"place": PLACE, "retry": RETRY, "cancel": CANCEL, "refund": REFUND, "adjust": ADJUST}
OF_CUSTOMERS = ("place", "retry", "cancel")


@pytest.mark.parametrize("first", ["answer", "event"])
@pytest.mark.parametrize(
    ("role", "deed"),
    [("customer", deed) for deed in OF_CUSTOMERS] + [("operator", deed) for deed in DEEDS],
)
async def test_one_toast_whichever_comes_first(
    open_as: Open, scene: Scene, role: str, deed: str, first: str
) -> None:
    start, act, call, event, toast = DEEDS[deed]
    path = await start(scene)
    about = path.removeprefix("/orders/") if path.startswith("/orders/") else scene.sku
    async with open_as(scene.email if role == "customer" else OPERATOR) as visitor:
        race = await Race.prepare(visitor)
        await visitor.go(path)
        await live(visitor)
        if first == "event":
            async with race.answers_held(*call):
                await act(scene, visitor.page)
                await race.received(event, about)
            await race.answered(call[0])
        else:
            async with race.events_held():
                await act(scene, visitor.page)
                await race.answered(call[0])
            await race.received(event, about)
        assert len(await race.toasts(re.compile(toast))) == 1


@pytest.mark.parametrize("first", ["answer", "event"])
async def test_an_order_of_a_customer_is_followed_whichever_comes_first(
    open_as: Open, scene: Scene, first: str
) -> None:
    async with open_as(OPERATOR) as visitor:
        race = await Race.prepare(visitor)
        await visitor.go("/")
        await live(visitor)
        hold = race.events_held() if first == "answer" else race.answers_held("POST", ORDERS)
        async with hold:
            await order(scene, visitor.page)
            await (
                race.answered("POST")
                if first == "answer"
                else race.received("order.completed", scene.sku)
            )
        activity = visitor.page.get_by_role("list", name="Activity")
        for step in ("confirmed", "shipped", "completed"):
            await expect(activity.get_by_text(f"Order {step}")).to_have_count(1)
        await expect(visitor.page.locator(".outcome")).to_have_attribute("data-state", "completed")


async def test_an_order_event_that_overtakes_the_list_is_not_undone_by_it(
    open_as: Open, scene: Scene
) -> None:
    order_id = await scene.placed(99)
    async with open_as(OPERATOR) as visitor:
        race = await Race.prepare(visitor)
        async with race.answers_held("GET", "**/api/v1/orders?*") as answered:
            await visitor.go(f"/orders?q={scene.sku}")
            await live(visitor)
            await answered.wait()
            await visitor.api("DELETE", f"/api/v1/orders/{order_id}")
            await race.received("order.cancelled", order_id)
        await expect(visitor.page.locator(ROWS)).to_contain_text("cancelled")


async def test_a_movement_that_overtakes_the_stock_is_not_undone_by_it(
    open_as: Open, scene: Scene
) -> None:
    async with open_as(OPERATOR) as visitor:
        race = await Race.prepare(visitor)
        async with race.answers_held("GET", "**/api/v1/inventory?*") as answered:
            await visitor.go(f"/inventory?q={scene.sku}")
            await live(visitor)
            await answered.wait()
            await scene.restocked()
            await race.received("inventory.restocked", scene.sku)
        await expect(visitor.page.locator("tr.first-of-item")).to_contain_text("100")
