"""Ordering, as customers and operators see it."""

import asyncio
import re
from functools import partial

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.conftest import NewCustomer, Open
from tests.browser.visitor import PHONE, THEMES, Visitor, together
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, new_product

ON_ITS_WAY = re.compile("confirmed|processing|shipped|completed")
NASTY = "<img src=x onerror=\"document.title='taken'\">"


async def choose(page: Page, product: str) -> None:
    """Choose a product in the table below the form."""
    await page.get_by_role("searchbox", name="Find a product").fill(product)
    await page.get_by_role("button", name=f"Choose Test {product}", exact=True).click()


async def order(visitor: Visitor, product: str, method: str = "card_ok") -> None:
    await visitor.go("/")
    await choose(visitor.page, product)
    await visitor.page.get_by_label("Payment").select_option(method)
    await visitor.page.get_by_role("button", name="Create order").click()


async def stocked(stack: Stack, sku: str, units: int) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, sku, units)


def toast(page: Page, title: str, product: str) -> Locator:
    """The toast about an order of this product.

    The same customer may have orders of earlier tests.
    """
    return page.locator(".toast", has_text=title).filter(has_text=product)


async def test_an_order_is_confirmed_by_push_and_seen_to_its_end_in_every_tab_of_its_customer(
    open_as: Open, stack: Stack, new_customer: NewCustomer
) -> None:
    await stocked(stack, "BROWSE-1", 5)
    mine, theirs = await asyncio.gather(new_customer(), new_customer())
    async with together(open_as(mine.email), open_as(theirs.email)) as (ada, grace):
        second = await ada.context.new_page()
        await second.goto(f"{stack.url}/console/orders")
        await expect(second.locator(".connection")).to_contain_text("Live")
        await grace.go("/orders")
        await expect(grace.page.locator(".connection")).to_contain_text("Live")
        await ada.page.bring_to_front()  # the browser draws a tab behind another one once a second
        await order(ada, "BROWSE-1")
        await expect(toast(ada.page, "Order confirmed", "BROWSE-1")).to_be_visible()
        await expect(toast(second, "Order confirmed", "BROWSE-1")).to_be_visible()
        outcome = ada.page.locator(".outcome")
        await expect(outcome.locator("code")).to_have_text(re.compile("^[0-9a-f-]{36}$"))
        await expect(
            ada.page.locator("tr", has_text="BROWSE-1").locator("td.num").nth(1)
        ).to_have_text("4")
        await ada.shot("shop-confirmed")
        await expect(outcome).to_have_attribute("data-state", "completed")
        await expect(ada.page.get_by_role("list", name="Activity")).to_contain_text(
            "Order completed"
        )
        await outcome.get_by_role("link", name="Timeline").click()
        await expect(ada.page.get_by_role("heading", level=1)).to_be_visible()
        await ada.shot("order-timeline")
        await expect(grace.page.locator(".toast")).to_have_count(0)
        await expect(grace.page.locator("body")).not_to_contain_text("BROWSE-1")


async def test_a_declined_payment_fails_with_its_reason_and_stays_said(
    open_as: Open, stack: Stack
) -> None:
    await stocked(stack, "BROWSE-2", 5)
    async with open_as(ADA) as visitor:
        await visitor.page.clock.install()
        await order(visitor, "BROWSE-2", "card_declined")
        await expect(visitor.page.locator(".outcome")).to_have_attribute("data-state", "failed")
        failed = toast(visitor.page, "Order failed", "BROWSE-2")
        await expect(failed).to_be_visible()
        await visitor.shot("shop-declined")
        await visitor.later(7)  # other toasts would have disappeared by now
        await expect(failed).to_be_visible()
        await failed.get_by_role("button", name="Dismiss").click()
        await expect(failed).to_have_count(0)


async def test_the_quantity_is_capped_and_what_is_out_of_stock_cannot_be_chosen(
    open_as: Open, stack: Stack
) -> None:
    await stocked(stack, "BROWSE-3", 2)
    async with open_as(ADA) as visitor:
        page = visitor.page
        await visitor.go("/")
        await choose(page, "BROWSE-3")
        await page.get_by_label("Quantity").fill("3")
        await page.get_by_role("button", name="Create order").click()
        await expect(page.get_by_text("Only 2 can be ordered")).to_be_visible()
        await expect(page.locator(".outcome")).to_have_attribute("data-state", "idle")
        await page.get_by_label("Quantity").fill("2")
        await page.get_by_role("button", name="Create order").click()
        await expect(page.locator("tr", has_text="BROWSE-3")).to_contain_text("Out of stock")
        await expect(page.get_by_role("button", name="Choose Test BROWSE-3")).to_be_disabled()


async def test_stock_that_somebody_else_took_first_holds_the_order_which_can_be_cancelled(
    open_as: Open, stack: Stack
) -> None:
    await stocked(stack, "BROWSE-4", 1)
    async with open_as(ADA) as visitor:
        page = visitor.page
        await visitor.go("/")
        await choose(page, "BROWSE-4")
        # The page shows one unit until it reads the stock again.
        await page.route("**/api/v1/inventory?*", lambda route: route.abort())
        async with stack.api(OPERATOR) as operator:
            body = {"productId": "BROWSE-4", "quantity": -1, "idempotencyKey": "browse-4"}
            assert (await operator.post("/api/v1/inventory/update", body)).status == 200
        await page.get_by_role("button", name="Create order").click()
        await expect(page.locator(".outcome")).to_contain_text("Out of stock: held for you")
        await visitor.shot("shop-held")
        await page.get_by_role("button", name="Cancel order").click()
        await expect(page.locator(".outcome")).to_have_attribute("data-state", "cancelled")


async def test_a_submission_without_an_answer_is_repeated_under_its_key_and_is_one_order(
    open_as: Open, stack: Stack
) -> None:
    await stocked(stack, "BROWSE-5", 5)
    keys: list[str] = []

    async def lose_the_first_answers(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            await route.fetch()  # the request arrives, its answer does not
        if len(keys) <= 2:
            await route.abort()
        else:
            await route.continue_()

    async def sent(attempts: int) -> bool:
        return len(keys) == attempts

    async with open_as(ADA) as visitor:
        await visitor.page.route("**/api/v1/orders", lose_the_first_answers)
        await visitor.page.clock.install()
        await order(visitor, "BROWSE-5")
        await expect(visitor.page.locator(".outcome")).to_contain_text("Still processing")
        await visitor.shot("shop-unknown")
        for attempts, pause in ((1, 1), (2, 2)):
            await eventually(partial(sent, attempts))
            await visitor.later(pause)
        await expect(visitor.page.locator(".outcome")).to_have_attribute("data-state", ON_ITS_WAY)
    assert len(keys) >= 3
    assert len(set(keys)) == 1
    async with stack.api(OPERATOR) as operator:
        assert len((await operator.get("/api/v1/orders?productId=BROWSE-5")).json["items"]) == 1


async def test_while_it_is_submitted_it_cannot_be_submitted_again(
    open_as: Open, stack: Stack
) -> None:
    await stocked(stack, "BROWSE-6", 5)
    hold = asyncio.Event()

    async def late(route: Route) -> None:
        await hold.wait()
        await route.continue_()

    async with open_as(ADA) as visitor:
        await visitor.page.route("**/api/v1/orders", late)
        await order(visitor, "BROWSE-6")
        await expect(visitor.page.locator(".outcome")).to_have_attribute("data-state", "submitting")
        await expect(visitor.page.get_by_role("button", name="Creating order")).to_be_disabled()
        await visitor.shot("shop-submitting")
        hold.set()
        await expect(visitor.page.locator(".outcome code")).to_be_visible()


async def test_an_operator_orders_for_a_customer_and_a_refusal_names_its_trace(
    open_as: Open, stack: Stack
) -> None:
    await stocked(stack, "BROWSE-7", 5)
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/")
        await choose(page, "BROWSE-7")
        await page.get_by_label("Customer number").fill("CUST-002")
        await expect(page.get_by_text("Grace Hopper (active)")).to_be_visible()
        await page.get_by_role("button", name="Create order").click()
        await expect(page.locator(".outcome")).to_have_attribute("data-state", ON_ITS_WAY)
        await page.get_by_label("Customer number").fill("CUST-999")
        await expect(page.get_by_text("No such customer")).to_be_visible()
        await page.get_by_role("button", name="Create order").click()
        await expect(page.locator(".toast.bad")).to_be_visible()


async def test_several_lines_an_address_and_more_than_there_is(open_as: Open, stack: Stack) -> None:
    await stocked(stack, "BROWSE-8", 5)
    await stocked(stack, "BROWSE-9", 1)
    async with open_as(ADA) as visitor:
        page = visitor.page
        await visitor.go("/")
        await choose(page, "BROWSE-8")
        await page.get_by_role("button", name="Add a line").click()
        await choose(page, "BROWSE-9")
        await expect(page.get_by_label("Quantity 2")).to_be_focused()
        await page.get_by_label("Quantity 2").fill("3")
        await page.get_by_text("Ship to (optional)").click()
        await page.get_by_label("City").fill("London")
        await page.get_by_role("button", name="Create order").click()
        for said in ("Only 1 can be ordered", "Street is missing", "Country is missing"):
            await expect(page.get_by_text(said)).to_be_visible()
        assert await visitor.accessibility_findings() == []
        for label, text in (("Recipient", "Ada"), ("Street", "1 Way"), ("Country", "gb")):
            await page.get_by_label(label).fill(text)
        await page.get_by_label("If short of stock").select_option("backorder")
        await visitor.shot("shop-lines")
        await page.get_by_role("button", name="Create order").click()
        await expect(page.locator(".outcome")).to_contain_text("confirmed as soon as it is back")
        await page.get_by_role("link", name="Timeline").click()
        await expect(page.get_by_text("London")).to_be_visible()
        await page.get_by_role("button", name="Cancel order").click()
        await page.get_by_role("button", name="Cancel the order").click()
        await expect(page.locator(".reason")).to_contain_text("Its stock was released")


async def test_what_is_typed_is_shown_as_text(open_as: Open) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/")
        await page.get_by_role("searchbox", name="Find a product").fill(NASTY)
        await expect(page.get_by_text("No product matches")).to_be_visible()
        await page.get_by_role("button", name="Show all products").click()
        await page.get_by_role("button", name=re.compile("^Choose Dell XPS")).click()
        await page.get_by_label("Customer number").fill(NASTY[:50])
        await page.get_by_role("button", name="Create order").click()
        await expect(page.locator(".outcome")).to_have_attribute(
            "data-state", re.compile("refused|failed")
        )
        await visitor.go(f"/logs?q={NASTY}&trace={NASTY}")
        await expect(page.get_by_role("heading", name="Logs")).to_be_visible()
        assert "taken" not in await page.title()
        assert await page.locator("img").count() == 0


@pytest.mark.parametrize("theme", THEMES)
async def test_the_shop_is_accessible_and_fits_a_telephone(open_as: Open, theme: str) -> None:
    async with open_as(ADA, theme=theme, size=PHONE) as visitor:
        await visitor.go("/")
        await expect(
            visitor.page.get_by_role("button", name=re.compile("^Choose")).first
        ).to_be_visible()
        assert await visitor.accessibility_findings() == []
        assert await visitor.off_screen() == []
        await visitor.shot(f"shop-{theme}-phone")
        await visitor.page.get_by_role("button", name="Open navigation").click()
        await visitor.page.get_by_role("link", name="Orders").click()
        await expect(
            visitor.page.get_by_role("heading", name=re.compile("orders", re.IGNORECASE)).first
        ).to_be_visible()


async def test_loading_empty_error_and_offline_each_say_what_they_are(open_as: Open) -> None:
    async with open_as(ADA) as visitor:
        page = visitor.page
        hold = asyncio.Event()

        async def late(route: Route) -> None:
            await hold.wait()
            await route.continue_()

        await page.route("**/api/v1/products*", late)
        await page.clock.install()
        await visitor.go("/")
        await expect(page.locator(".skeleton").first).to_be_visible()
        await visitor.shot("shop-loading")
        hold.set()
        await expect(page.locator(".skeleton")).to_have_count(0)
        await page.unroute_all(behavior="ignoreErrors")
        document = {
            "title": "Temporarily unavailable",
            "status": 503,
            "detail": "Too busy",
            "traceId": "c" * 32,
        }
        answers = await visitor.answer("**/api/v1/products*", 503, document)
        await page.reload()
        alert = page.get_by_role("alert").first
        await expect(alert).to_contain_text("Too busy")
        await expect(alert).to_contain_text("c" * 32)
        assert await visitor.accessibility_findings() == []
        await visitor.shot("shop-error")
        async with answers.held():  # the page retries by itself, too
            await alert.get_by_role("button", name="Try again").click()
            answers.be_real()
        await expect(page.get_by_role("button", name=re.compile("^Choose")).first).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")
        await page.route("**/api/v1/products*", lambda route: route.abort())
        await visitor.later(5)
        await expect(page.get_by_text("The server cannot be reached").first).to_be_visible()
        await expect(page.get_by_role("button", name=re.compile("^Choose")).first).to_be_visible()
        await visitor.shot("shop-offline")
