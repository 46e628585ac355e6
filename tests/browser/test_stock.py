"""Stock as operators see and correct it."""

import re
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.visitor import DESK, PHONE, THEMES
from tests.support.stack import ADA, OPERATOR, Stack, new_product, place, reserve

NASTY = '<script>document.title="taken"</script>'


def new_sku(begin: str) -> str:
    return f"{begin}-{uuid4().hex[:6]}"


async def test_stock_is_adjusted_with_a_reason_and_never_below_what_is_reserved(
    open_as: Open, stack: Stack
) -> None:
    async with stack.api(OPERATOR) as operator:
        sku = new_sku("ADJUST")
        await new_product(operator, sku, 10)
    await reserve(stack, sku, {sku: 4})
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go(f"/inventory?q={sku}")
        adjust = page.get_by_role("button", name=f"Adjust Test {sku}")
        await adjust.click()
        units = page.get_by_label("Units more or fewer")
        await expect(units).to_be_focused()
        await units.fill("-7")
        await expect(page.get_by_text("At least 4 must stay")).to_be_visible()
        await expect(page.get_by_role("button", name="Adjust", exact=True)).to_be_disabled()
        await units.fill("-6")
        await expect(page.get_by_text("On hand: 10 → 4")).to_be_visible()
        await visitor.shot("stock-adjust")
        await page.get_by_role("button", name="Adjust", exact=True).click()
        await expect(page.get_by_role("dialog")).to_be_visible()  # a reason is required
        await page.get_by_label("Reason").fill(NASTY)
        await page.get_by_role("button", name="Adjust", exact=True).click()
        await expect(page.get_by_text(f"Test {sku}: 4 on hand in WH-EAST")).to_be_visible()
        await expect(adjust).to_be_focused()
        await expect(page.locator("tr.first-of-item")).to_contain_text(
            re.compile("out of stock", re.IGNORECASE)
        )
        await page.get_by_role("button", name=f"Movements of Test {sku}").click()
        await expect(page.locator(".movements > li").first).to_contain_text(NASTY)
        await expect(page.locator(".movements > li").first).to_contain_text("6 on hand")
        await visitor.shot("stock-movements")
        assert await visitor.accessibility_findings() == []
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_refused_adjustment_says_why_and_keeps_what_was_typed(
    open_as: Open, stack: Stack
) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/inventory?q=PROD-010")
        await page.get_by_role("button", name=re.compile("^Adjust")).click()
        document = {
            "title": "Busy",
            "status": 503,
            "detail": "Too many changes",
            "traceId": "b" * 32,
        }
        await visitor.answer("**/api/v1/inventory/adjust", 503, document)
        await page.get_by_label("Units more or fewer").fill("+2")
        await page.get_by_label("Reason").fill("counted")
        await page.get_by_role("button", name="Adjust", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("Too many changes")
        await expect(page.get_by_role("alert")).to_contain_text("b" * 32)
        await expect(page.get_by_label("Reason")).to_have_value("counted")


async def test_low_stock_is_announced_and_can_be_looked_at_alone(
    open_as: Open, stack: Stack
) -> None:
    async with stack.api(OPERATOR) as operator:
        sku = new_sku("LOW")
        await new_product(operator, sku, 3)
        body = {
            "name": "Low one",
            "price": {"amountMinor": 100, "currency": "USD"},
            "lowStockThreshold": 2,
        }
        assert (await operator.call("PUT", f"/api/v1/products/{sku}", body)).status == 200
    async with open_as(OPERATOR) as visitor, stack.api(ADA) as ada:
        page = visitor.page
        await visitor.go(f"/inventory?q={sku}")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await expect(page.locator("tr.first-of-item")).not_to_contain_text("low stock")
        before = await page.locator(".notice strong").inner_text()
        await place(ada, {sku: 1})
        await expect(page.locator("tr.first-of-item")).to_contain_text("low stock")
        await expect(page.locator(".notice strong")).not_to_have_text(before)
        await page.get_by_role("button", name="Show them").click()
        await expect(page).to_have_url(re.compile(r"\?low=1$"))
        await expect(page.locator("tr.first-of-item").first).to_contain_text(
            re.compile("low stock|out of stock")
        )
        await visitor.shot("stock-low")
        await page.reload()
        await expect(page.get_by_role("button", name="Low stock only")).to_have_attribute(
            "aria-pressed", "true"
        )


async def test_the_long_ledger_comes_page_by_page(open_as: Open, stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        sku = new_sku("LEDGER")
        await new_product(operator, sku, 60)
        for number in range(55):
            change = {"productId": sku, "quantity": -1, "idempotencyKey": f"ledger-{number}"}
            assert (await operator.post("/api/v1/inventory/update", change)).status == 200
    async with open_as(OPERATOR) as visitor:
        await visitor.go(f"/inventory?q={sku}")
        await visitor.page.get_by_role("button", name=f"Movements of Test {sku}").click()
        await expect(visitor.page.locator(".movements > li")).to_have_count(50)
        await visitor.page.get_by_role("button", name="Show more").click()
        await expect(visitor.page.locator(".movements > li")).to_have_count(56)
        await expect(visitor.page.get_by_role("button", name="Show more")).to_have_count(0)


async def test_every_state_of_the_page_can_be_reached(open_as: Open) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/inventory?q=zzz")
        await expect(page.get_by_text("No product matches")).to_be_visible()
        await page.get_by_role("button", name="Clear the filters").click()
        await expect(page.locator("tr.first-of-item").first).to_be_visible()
        document = {
            "title": "It broke",
            "status": 500,
            "detail": "The disk is full",
            "traceId": "c" * 32,
        }
        await visitor.answer("**/api/v1/inventory?*", 500, document)
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("The disk is full")
        await page.unroute("**/api/v1/inventory?*")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator("tr.first-of-item").first).to_be_visible()
    async with open_as(ADA) as visitor:
        await visitor.go("/inventory")
        await expect(visitor.page.get_by_role("alert")).to_contain_text("operator or admin")


@pytest.mark.parametrize("theme", THEMES)
async def test_axe_finds_nothing_and_a_telephone_has_room(open_as: Open, theme: str) -> None:
    async with open_as(OPERATOR, theme=theme) as visitor:
        await visitor.go("/inventory")
        await expect(visitor.page.locator("tr.first-of-item").first).to_be_visible()
        assert await visitor.accessibility_findings() == []
        await visitor.shot(f"stock-{theme}")
        await visitor.resize(PHONE)
        assert await visitor.off_screen() == []
        await visitor.shot(f"stock-{theme}-phone")
        await visitor.resize(DESK)
        await visitor.page.get_by_role("button", name=re.compile("^Adjust")).first.click()
        assert await visitor.accessibility_findings() == []
