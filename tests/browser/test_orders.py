"""Operators find orders and see their history; customers see their own."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Open
from tests.browser.visitor import ADMIN, DESK, PHONE, THEMES
from tests.support.blocking import run_blocking
from tests.support.many_orders import Made, insert_orders
from tests.support.stack import ADA, GRACE, OPERATOR, Stack, new_product, place

ROWS = "tbody tr:not(.skeleton-row)"
NASTY = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def many(stack: Stack) -> list[Made]:
    """Ten thousand orders in the running stack."""
    made: list[Made] = []

    async def insert() -> None:
        made.extend(await insert_orders(stack.database_url("orders"), 10_000))

    run_blocking(insert())
    return made


def short(order_id: str) -> str:
    return f"…{order_id[-12:]}"


async def test_an_operator_finds_one_among_ten_thousand(open_as: Open, many: list[Made]) -> None:
    wanted = many[6543]
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/orders")
        await expect(page.locator(ROWS)).to_have_count(50)
        await visitor.shot("orders")
        await page.get_by_role("searchbox", name="Search orders").fill(short(wanted.id))
        await expect(page.locator(ROWS)).to_have_count(1)
        await expect(page).to_have_url(re.compile("q="))
        await page.get_by_role("link", name=short(wanted.id)).click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(short(wanted.id))
        await expect(page.get_by_role("heading", level=1)).to_be_focused()


async def test_an_operator_finds_orders_by_the_name_of_the_customer(
    open_as: Open, many: list[Made]
) -> None:
    async with open_as(OPERATOR) as visitor:
        await visitor.go("/orders?q=grace+hopper")
        await expect(visitor.page.locator(ROWS)).to_have_count(50)
        await expect(visitor.page.locator(ROWS).filter(has_text="CUST-002")).to_have_count(50)


async def test_the_way_back_leads_to_where_one_was(open_as: Open, many: list[Made]) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/orders?q=CUST-007")
        await expect(page.locator(ROWS)).to_have_count(50)
        await page.locator(ROWS).last.scroll_into_view_if_needed()
        place = await page.evaluate("scrollY")
        link = page.locator(ROWS).last.get_by_role("link").first
        wanted = await link.inner_text()
        await link.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(wanted)
        await expect(page).to_have_title(f"Order {wanted} · Valerix")
        assert await page.evaluate("scrollY") == 0 < place
        await page.go_back()
        await expect(page.locator(ROWS)).to_have_count(50)
        await page.wait_for_function("(place) => Math.abs(scrollY - place) < 2", arg=place)


async def test_filters_and_place_survive_a_reload(open_as: Open, many: list[Made]) -> None:
    failed = [
        order.id for order in many if order.status == "failed" and order.customer == "CUST-009"
    ]
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/orders?q=CUST-009")
        await page.get_by_role("button", name="failed", exact=True).click()
        await expect(page.get_by_role("tab", name="These filters")).to_have_attribute(
            "aria-selected", "true"
        )
        await expect(page.locator(ROWS).first).to_contain_text(short(failed[0]))
        await page.get_by_role("button", name="Next").click()
        await expect(page.locator(ROWS).first).to_contain_text(short(failed[50]))
        await page.reload()
        await expect(page.locator(ROWS).first).to_contain_text(short(failed[50]))
        await expect(page.get_by_role("button", name="failed", exact=True)).to_have_attribute(
            "aria-pressed", "true"
        )
        await page.get_by_role("button", name="First page").click()
        await expect(page.locator(ROWS).first).to_contain_text(short(failed[0]))
        await page.get_by_role("tab", name="Completed").click()
        await expect(page).to_have_url(re.compile(r"\?status=completed$"))
        await page.go_back()
        await expect(page.locator(ROWS).first).to_contain_text("failed")


async def test_a_view_is_kept_under_its_name_and_forgotten_again(
    open_as: Open, many: list[Made]
) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/orders?q=CUST-004&status=failed")
        await page.get_by_role("button", name="Keep as view").click()
        await page.get_by_label("Name").fill(NASTY[:40])
        await page.get_by_role("button", name="Keep", exact=True).click()
        tab = page.get_by_role("tab", name=NASTY[:40])
        await expect(tab).to_have_attribute("aria-selected", "true")
        await page.get_by_role("tab", name="All").click()
        await page.reload()
        await tab.click()
        await expect(page).to_have_url(re.compile("q=CUST-004&status=failed"))
        await expect(page.locator(ROWS).first).to_contain_text("CUST-004")
        await page.get_by_role("button", name="Forget this view").click()
        await expect(tab).to_have_count(0)


async def test_new_orders_wait_in_a_bar_while_shown_ones_change_in_place(
    open_as: Open, stack: Stack
) -> None:
    sku = f"FRESH-{uuid4().hex[:6]}"
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, sku, 10)
    async with open_as(OPERATOR) as visitor, stack.api(ADA) as ada:
        page = visitor.page
        await place(ada, {sku: 1})
        await visitor.go(f"/orders?q={sku}")
        await expect(page.locator(ROWS)).to_have_count(1)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        first = await page.locator(ROWS).first.inner_text()
        made = (await place(ada, {sku: 1})).json["id"]
        bar = page.get_by_role("button", name="1 new order")
        await expect(bar).to_be_visible()
        assert (await page.locator(ROWS).first.inner_text()).split()[0] == first.split()[0]
        await bar.click()
        await expect(page.locator(ROWS).first).to_contain_text(short(made))
        await expect(page.locator(ROWS).first).to_contain_text("delivered")
        await expect(page.locator(ROWS).nth(1)).to_contain_text("delivered")
        await expect(bar).to_have_count(0)


async def test_nothing_found_says_what_can_be_searched_and_names_products(
    open_as: Open, many: list[Made]
) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/orders?q=ThinkPad")
        await expect(page.get_by_text("No order matches")).to_be_visible()
        await visitor.shot("orders-empty")
        await page.get_by_role("button", name="Lenovo ThinkPad X1 Carbon").click()
        await expect(page.locator(ROWS).first).to_contain_text("Lenovo ThinkPad X1 Carbon")
        await page.get_by_role("searchbox").fill(NASTY)
        await expect(page.get_by_text("No order matches")).to_be_visible()
        await page.get_by_role("button", name="Clear the filters").click()
        await expect(page.locator(ROWS)).to_have_count(50)
        await page.get_by_label("From").fill("2999-12-31")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("from=2999-12-31"))
        await expect(page.get_by_text("No order matches")).to_be_visible()


async def test_a_held_order_is_retried_once_there_is_stock(open_as: Open, stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        sku = f"RARE-{uuid4().hex[:6]}"
        await new_product(operator, sku, 1)
        held = (await place(operator, {sku: 3}, shippingAddress=address(NASTY))).json["order"]["id"]
        async with open_as(OPERATOR) as visitor:
            page = visitor.page
            await visitor.go(f"/orders/{held}")
            await expect(page.get_by_text("Retry it once there is stock")).to_be_visible()
            await expect(page.get_by_text(NASTY)).to_be_visible()
            await expect(page.get_by_label("Steps of this order")).to_contain_text(
                f"{sku}: 3 wanted, 1 left"
            )
            await visitor.shot("order-held")
            await page.get_by_role("button", name="Retry now").click()
            await expect(page.get_by_role("alert")).to_contain_text("Insufficient stock")
            body = {"productId": sku, "warehouseId": "WH-EAST", "delta": 5, "reason": "delivery"}
            assert (await operator.post("/api/v1/inventory/adjust", body)).status == 200
            await page.get_by_role("button", name="Retry now").click()
            await expect(page.get_by_text("Order confirmed")).to_be_visible()
            await expect(page.get_by_role("heading", level=1)).to_contain_text("completed")
            await expect(page.get_by_label("Steps of this order")).to_contain_text("3 attempts")
            await page.get_by_role("button", name="Full").click()
            await expect(page.get_by_text("reserve_stock").first).to_be_visible()
            await page.reload()
            await expect(page.get_by_text("reserve_stock").first).to_be_visible()
            await page.get_by_role("button", name="Failed only").click()
            await expect(page.locator(".events > li").first).to_contain_text("order.held")
            await visitor.shot("order-completed")


def address(name: str) -> dict[str, str]:
    return {"name": name, "street": "1 Way", "city": "London", "country": "GB"}


@pytest.mark.parametrize(
    ("shortage", "left"), [("hold", "[0-9]+:[0-9]{2}"), ("backorder", "29 days")]
)
async def test_a_held_order_says_how_long_it_is_held(
    open_as: Open, stack: Stack, shortage: str, left: str
) -> None:
    async with stack.api(OPERATOR) as operator:
        held = (await place(operator, {"PROD-012": 99}, onShortage=shortage)).json["order"]["id"]
    async with open_as(OPERATOR) as visitor:
        await visitor.go(f"/orders/{held}")
        held_until = re.compile(rf"Held until 20[-\d: ]+ UTC \({left}\), then it is cancelled")
        await expect(visitor.page.get_by_text(held_until)).to_be_visible()


async def test_a_held_order_is_cancelled_with_a_reason(open_as: Open, stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        held = (await place(operator, {"PROD-012": 99})).json["order"]["id"]
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go(f"/orders/{held}")
        cancel = page.get_by_role("button", name="Cancel order")
        await cancel.click()
        await expect(
            page.get_by_role("dialog")
        ).to_be_visible()  # until then, the key has no effect
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(cancel).to_be_focused()
        await cancel.click()
        await page.get_by_label("Reason (optional)").fill(NASTY)
        await visitor.shot("order-cancel")
        await page.get_by_role("button", name="Cancel the order").click()
        await expect(page.get_by_text("Order cancelled")).to_be_visible()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
        await expect(page.get_by_text(NASTY).first).to_be_visible()
        await expect(page.locator(".reason")).to_contain_text("Neither stock nor money was taken")
        assert not await page.locator("img").count()


async def test_more_of_a_history_is_shown_also_while_the_page_is_refreshed(
    open_as: Open, stack: Stack
) -> None:
    sku = f"MORE-{uuid4().hex[:8]}".upper()
    async with stack.api(ADA) as ada, stack.api(OPERATOR) as operator:
        await new_product(operator, sku, 1)
        waiting = (await place(ada, {sku: 2}, onShortage="backorder")).json["order"]
        await remember(stack, waiting["id"], 250)
        async with open_as(ADA) as visitor:
            page = visitor.page
            await visitor.go(f"/orders/{waiting['id']}")
            await expect(page.get_by_text("The first 200 events.")).to_be_visible()
            refreshing, released = asyncio.Event(), asyncio.Event()

            async def late(route: Route) -> None:
                refreshing.set()
                await released.wait()
                await route.continue_()

            await page.route(f"**/api/v1/orders/{waiting['id']}", late)
            delivery = {"productId": sku, "warehouseId": "WH-EAST", "delta": 5, "reason": "more"}
            assert (await operator.post("/api/v1/inventory/adjust", delivery)).status == 200
            async with asyncio.timeout(30):
                await refreshing.wait()
            await page.get_by_role("button", name="Show more").click(timeout=5000)
            released.set()
            await expect(page.get_by_text("order.remembered")).to_have_count(250)


async def remember(stack: Stack, order_id: str, count: int) -> None:
    """Adds events to the history of an order."""
    more = """INSERT INTO order_events
              SELECT order_id, n, 'order.remembered', data, steps, trace_id, occurred_at
              FROM order_events, generate_series(101, 100 + $2::integer) AS n
              WHERE order_id = $1 AND version = 1"""
    await stack.rows("orders", more, order_id, count)


async def test_a_long_history_is_shown_a_page_at_a_time(open_as: Open, stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        order_id = (await place(ada, {"PROD-007": 1})).json["id"]
    await remember(stack, order_id, 250)
    async with open_as(ADA) as visitor:
        page = visitor.page
        await visitor.go(f"/orders/{order_id}")
        await expect(page.get_by_text("The first 200 events.")).to_be_visible()
        shown = await page.get_by_text("order.remembered").count()
        await page.get_by_role("button", name="Show more").click()
        await expect(page.get_by_text("order.remembered")).to_have_count(250)
        assert shown < 200
        await expect(page.get_by_role("button", name="Show more")).to_have_count(0)


async def test_a_customer_sees_their_own_orders_and_nobody_elses(
    open_as: Open, stack: Stack
) -> None:
    async with stack.api(ADA) as ada, stack.api(GRACE) as grace:
        hers = (await place(ada, {"PROD-007": 1})).json["id"]
        other = (await place(grace, {"PROD-007": 1}, "CUST-002")).json["id"]
    async with open_as(ADA) as visitor:
        page = visitor.page
        await visitor.go("/orders")
        await page.get_by_role("link", name=short(hers)).click()
        await expect(page.get_by_label("Steps of this order")).to_be_visible()
        await expect(page.get_by_role("button", name="Refund")).to_have_count(0)
        await visitor.go(f"/orders/{other}")
        await expect(page.get_by_text("There is no such order")).to_be_visible()


async def test_pages_say_when_they_load_and_why_they_could_not(
    open_as: Open, many: list[Made]
) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        shown = asyncio.Event()

        async def late(route: Route) -> None:
            await shown.wait()
            await route.fulfill(
                status=500, json=problem(500), content_type="application/problem+json"
            )

        await page.route("**/api/v1/orders?*", late)
        await page.clock.install()
        await visitor.go("/orders")
        await expect(page.locator("tr.skeleton-row")).to_have_count(12)
        await expect(page.locator("table")).to_have_attribute("aria-busy", "true")
        await visitor.shot("orders-loading")
        shown.set()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("The disk is full")
        await expect(alert).to_contain_text("a" * 32)
        await visitor.shot("orders-error")
        await page.unroute("**/api/v1/orders?*")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator(ROWS)).to_have_count(50)
        await visitor.answer(
            "**/api/v1/orders?*", 403, problem(403) | {"detail": "This needs the role operator"}
        )
        await page.get_by_role("button", name="Refresh").click()
        await expect(page.get_by_text("This needs the role operator")).to_be_visible()
        await expect(page.locator(ROWS)).to_have_count(50)
        await page.unroute("**/api/v1/orders?*")
        await page.route("**/api/v1/orders?*", lambda route: route.abort())
        await page.get_by_role("button", name="Refresh").click()
        await expect(page.get_by_text("Reconnecting").first).to_be_visible()
        await page.unroute("**/api/v1/orders?*")
        await visitor.later(3)
        await expect(page.get_by_text("Trying again automatically")).to_have_count(0)


def problem(status: int) -> dict[str, Any]:
    return {
        "title": "It broke",
        "status": status,
        "detail": "The disk is full",
        "code": "x",
        "traceId": "a" * 32,
    }


@pytest.mark.parametrize("theme", THEMES)
async def test_axe_finds_nothing_and_a_telephone_has_room(
    open_as: Open, stack: Stack, many: list[Made], theme: str
) -> None:
    async with stack.api(OPERATOR) as operator:
        declined = (await place(operator, {"PROD-007": 1}, paymentMethod="card_declined")).json[
            "order"
        ]["id"]
    places = {
        "orders": "/orders",
        "none": "/orders?q=zzz",
        "order": f"/orders/{declined}?events=full",
    }
    async with open_as(OPERATOR, theme=theme) as visitor:
        for name, path in places.items():
            await visitor.go(path)
            await expect(visitor.page.locator(f"{ROWS}, .state, .waterfall").first).to_be_visible()
            assert await visitor.accessibility_findings() == []
            await visitor.shot(f"{name}-{theme}")
            await visitor.resize(PHONE)
            assert await visitor.off_screen() == [], name
            await visitor.shot(f"{name}-{theme}-phone")
            await visitor.resize(DESK)
        await visitor.page.emulate_media(media="print")
        await expect(visitor.page.locator(".top")).to_be_hidden()
        await expect(visitor.page.locator(".waterfall")).to_be_visible()
        await expect(visitor.page.locator("body")).to_have_css(
            "background-color", "rgb(255, 255, 255)"
        )


async def test_dialogs_are_accessible_in_both_themes(open_as: Open, stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        held = (await place(operator, {"PROD-012": 99})).json["order"]["id"]
    dialogs = {
        f"/orders/{held}": "Cancel order",
        f"/orders?q={held}": "Keep as view",
        "/inventory?q=PROD-012": "Movements of",
        "/customers?q=Ada+Lovelace": "",
    }
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        for path, name in dialogs.items():
            await visitor.go(path)
            if name:
                await page.get_by_role("button", name=re.compile(f"^{name}")).click()
            else:
                await page.get_by_role("link", name="Ada Lovelace").click()
                await page.get_by_role("button", name="Suspend", exact=True).click()
            await expect(page.get_by_role("dialog").last).to_be_visible()
            await expect(page.locator("dialog .skeleton")).to_have_count(0)
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme=theme)
                assert await visitor.accessibility_findings() == [], path
