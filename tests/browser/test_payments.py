"""Payments: captures and refunds."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.visitor import DESK, PHONE, THEMES
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, new_product, place

NASTY = "<svg onload=alert(1)>"


async def paid(stack: Stack, price: int = 5000) -> dict[str, str]:
    """A paid order of Ada's."""
    async with stack.api(OPERATOR) as operator:
        if (await operator.get(f"/api/v1/products/PAID-{price}")).status == 404:
            await new_product(operator, f"PAID-{price}", 100, price)
    async with stack.api(ADA) as ada:
        order: dict[str, str] = (await place(ada, {f"PAID-{price}": 1})).json
    assert order["status"] == "confirmed", order
    return order


async def delivered(stack: Stack, price: int = 5000) -> dict[str, str]:
    """A paid and delivered order: all of its money may be refunded."""
    order = await paid(stack, price)
    async with stack.api(ADA) as ada:

        async def arrived() -> bool:
            return bool(
                (await ada.get(f"/api/v1/orders/{order['id']}")).json["status"] == "completed"
            )

        await eventually(arrived)
    return order


async def test_a_partial_refund_is_capped_at_what_is_left(open_as: Open, stack: Stack) -> None:
    order = await delivered(stack)
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go(f"/orders/{order['id']}")
        await page.get_by_role("button", name="Refund").click()
        amount = page.get_by_label("Amount in USD")
        await expect(amount).to_have_value("50.00")
        for text, said in (
            ("50.01", "At most $50.00"),
            ("1.234", "Enter an amount"),
            ("0", "Enter an amount"),
        ):
            await amount.fill(text)
            await expect(page.get_by_text(said)).to_be_visible()
            await expect(
                page.get_by_role("dialog").get_by_role("button", name="Refund")
            ).to_be_disabled()
        await amount.fill("12.34")
        await page.get_by_label("Reason").fill(NASTY)
        await visitor.shot("refund")
        await page.get_by_role("button", name="Refund $12.34").click()
        await expect(page.get_by_text("$12.34 refunded")).to_be_visible()
        await expect(page.get_by_text("partially refunded")).to_be_visible()
        await expect(page.get_by_text(f"Refund of $12.34: {NASTY}")).to_be_visible()
        await expect(page.get_by_text("order.refunded")).to_be_visible()
        await expect(page.get_by_role("row", name="Refunded $12.34")).to_be_visible()
        await expect(page.get_by_role("heading", name="Order")).to_contain_text("completed")
        await page.get_by_role("button", name="Refund").click()
        await expect(amount).to_have_value("37.66")
        await page.get_by_label("Reason").fill("the rest")
        await page.get_by_role("button", name="Refund $37.66").click()
        await expect(page.get_by_role("button", name="Refund")).to_have_count(0)
        assert (await visitor.api("GET", f"/api/v1/payments/order/{order['id']}"))[
            "status"
        ] == "refunded"


async def test_the_money_of_an_order_that_has_not_shipped_goes_back_by_cancelling(
    open_as: Open, stack: Stack
) -> None:
    order = await paid(stack)
    await stack.rows(
        "orders",
        "UPDATE orders SET status = 'processing', due_at = NULL WHERE id = $1",
        order["id"],
    )
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go(f"/orders/{order['id']}")
        await page.get_by_role("button", name="Refund").click()
        await page.get_by_label("Reason").fill("all of it")
        await expect(page.get_by_text("cancel the order instead")).to_be_visible()
        await expect(
            page.get_by_role("dialog").get_by_role("button", name="Refund")
        ).to_be_disabled()
        await page.get_by_label("Amount in USD").fill("49.99")
        await page.get_by_role("button", name="Refund $49.99").click()
        await expect(page.get_by_text("$49.99 refunded")).to_be_visible()


async def test_a_refund_that_got_no_answer_is_not_made_twice(open_as: Open, stack: Stack) -> None:
    order = await paid(stack)
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go(f"/payments?q={order['id']}")
        await page.get_by_role("link", name=re.compile("…")).first.click()
        await page.get_by_role("dialog").get_by_role("button", name="Refund").click()
        await page.get_by_label("Amount in USD").fill("10")
        await page.get_by_label("Reason").fill("late")

        # `route` is playwright's Route.
        async def lose_the_answer(route) -> None:  # type: ignore[no-untyped-def]
            await route.fetch()
            await route.abort()

        await page.route("**/refund", lose_the_answer)
        await page.get_by_role("button", name="Refund $10.00").click()
        await expect(page.get_by_text("Reconnecting").last).to_be_visible()
        await page.unroute("**/refund")
        await page.get_by_role("button", name="Refund $10.00").click()
        await expect(page.get_by_text("$10.00 refunded")).to_be_visible()
        found = await visitor.api("GET", f"/api/v1/payments/order/{order['id']}")
        assert [refund["amountMinor"] for refund in found["refunds"]] == [1000]


async def test_payments_are_found_and_shown_beside_the_list(open_as: Open, stack: Stack) -> None:
    order = await paid(stack)
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/payments")
        await page.get_by_role("searchbox").fill(order["id"])
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_role("button", name="captured", exact=True).click()
        link = page.locator("tbody tr a").first
        await link.click()
        drawer = page.get_by_role("dialog")
        await expect(drawer).to_contain_text("$50.00 can be refunded")
        await expect(drawer).to_contain_text("payment.captured")
        await page.reload()
        await expect(drawer).to_contain_text("payment.captured")
        await visitor.shot("payment")
        await page.keyboard.press("Escape")
        await expect(drawer).to_have_count(0)
        await expect(page).to_have_url(re.compile("status=captured$"))
        await page.get_by_role("button", name="declined", exact=True).click()
        await expect(page.get_by_text("No payment matches")).to_be_visible()


async def test_a_payment_nobody_knows_and_a_reader_who_may_not(open_as: Open) -> None:
    async with open_as(OPERATOR) as visitor:
        await visitor.go("/payments?payment=nothing")
        await expect(visitor.page.get_by_role("alert")).to_contain_text(
            "There is no payment with this id"
        )
        await visitor.answer(
            "**/api/v1/payments?*", 500, {"title": "It broke", "detail": "Why", "traceId": "d" * 32}
        )
        await visitor.go("/payments")
        await expect(visitor.page.get_by_role("alert")).to_contain_text("d" * 32)
    async with open_as(ADA) as visitor:
        await visitor.go("/payments")
        await expect(visitor.page.get_by_role("alert")).to_contain_text("operator or admin")


@pytest.mark.parametrize("theme", THEMES)
async def test_axe_finds_nothing_and_a_telephone_has_room(
    open_as: Open, stack: Stack, theme: str
) -> None:
    order = await paid(stack)
    async with open_as(OPERATOR, theme=theme) as visitor:
        await visitor.go("/payments")
        await expect(visitor.page.locator("tbody tr a").first).to_be_visible()
        assert await visitor.accessibility_findings() == []
        await visitor.shot(f"payments-{theme}")
        await visitor.resize(PHONE)
        assert await visitor.off_screen() == []
        await visitor.shot(f"payments-{theme}-phone")
        await visitor.resize(DESK)
        await visitor.go(f"/payments?payment={order['paymentId']}")
        await visitor.page.get_by_role("dialog").get_by_role("button", name="Refund").click()
        assert await visitor.accessibility_findings() == []
