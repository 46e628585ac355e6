"""Accounts as administrators see them."""

import re
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewCustomer, Open
from tests.browser.visitor import ADMIN, PHONE, THEMES, Visitor, together
from tests.support.stack import OPERATOR, Stack

NASTY = '<img src=x onerror="document.title=1">'


async def new_account(stack: Stack, name: str = "Somebody New") -> str:
    """A new customer's e-mail address."""
    email = f"{uuid4().hex[:12]}@example.com"
    async with stack.api(None) as guest:
        body = {"name": name, "email": email, "password": "correct horse battery"}
        assert (await guest.post("/api/v1/users/register", body)).status == 201
    return email


async def open_account(visitor: Visitor, email: str) -> None:
    await visitor.go(f"/customers?q={email}")
    await visitor.page.locator("tbody tr a").first.click()
    await expect(visitor.page.get_by_role("dialog")).to_contain_text(email)


async def test_an_account_is_found_by_name_and_shown_as_text(open_as: Open, stack: Stack) -> None:
    email = await new_account(stack, NASTY)
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        await visitor.go("/customers")
        await page.get_by_role("searchbox").fill(NASTY[:20])
        await expect(page.get_by_role("link", name=NASTY).first).to_be_visible()
        await open_account(visitor, email)
        await expect(page.get_by_role("heading", name=NASTY)).to_be_visible()
        await expect(page.get_by_role("dialog")).to_contain_text("No orders yet")
        assert not await page.locator("img").count()


async def test_a_customer_is_suspended_and_reinstated(open_as: Open, stack: Stack) -> None:
    email = await new_account(stack)
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        await open_account(visitor, email)
        await page.get_by_role("button", name="Suspend", exact=True).click()
        await visitor.shot("customer-suspend")
        # The account behind the dialog has a button of the same name, too.
        question = page.get_by_role("dialog", name="Suspend Somebody New?")
        await question.get_by_role("button", name="Suspend", exact=True).click()
        await expect(page.get_by_text("Somebody New is suspended")).to_be_visible()
        await page.get_by_role("button", name="Reinstate").click()
        question = page.get_by_role("dialog", name="Reinstate Somebody New?")
        await question.get_by_role("button", name="Reinstate", exact=True).click()
        await expect(page.get_by_text("Somebody New is active")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("tbody tr")).to_contain_text("active")


async def test_a_role_is_changed_after_asking(open_as: Open, stack: Stack) -> None:
    email = await new_account(stack)
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        await open_account(visitor, email)
        await page.get_by_label("Role", exact=True).last.select_option("operator")
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await expect(page.get_by_label("Role", exact=True).last).to_have_value("customer")
        await page.get_by_label("Role", exact=True).last.select_option("operator")
        await page.get_by_role("button", name="Change the role").click()
        await expect(page.get_by_text("Somebody New is now operator")).to_be_visible()
        await expect(page.get_by_label("Role", exact=True).last).to_have_value("operator")


async def test_sessions_are_listed_and_ended(open_as: Open, new_customer: NewCustomer) -> None:
    customer = await new_customer()
    devices = [open_as(customer.email) for _ in range(3)]
    async with together(open_as(ADMIN), *devices) as (visitor, *elsewhere):
        page = visitor.page
        await open_account(visitor, customer.email)
        await expect(page.get_by_text("Chrome on Linux").first).to_be_visible()
        await visitor.shot("customer")
        assert await visitor.accessibility_findings() == []
        sign_out = page.get_by_role("dialog").get_by_role(
            "button", name=re.compile("^Sign out Chrome")
        )
        await expect(sign_out).to_have_count(3)
        await sign_out.first.click()
        await expect(sign_out).to_have_count(2)
        await page.get_by_role("button", name="Sign out everywhere").click()
        await expect(page.get_by_text("Nowhere at the moment")).to_be_visible()
        for device in elsewhere:
            refused = await device.context.request.post(f"{visitor.stack.url}/api/v1/users/refresh")
            assert refused.status in (401, 403)


async def test_only_administrators_see_accounts(open_as: Open) -> None:
    async with open_as(OPERATOR) as visitor:
        await visitor.go("/customers")
        await expect(visitor.page.get_by_role("alert")).to_contain_text(
            "This page needs the role admin"
        )
        await visitor.shot("forbidden")
        await expect(visitor.page.get_by_role("link", name="Customers")).to_have_count(0)


async def test_nobody_found_and_nothing_loaded(open_as: Open) -> None:
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        await visitor.go("/customers?q=zzz")
        await page.get_by_role("button", name="Clear the filters").click()
        await expect(page.locator("tbody tr a").first).to_be_visible()
        await visitor.answer(
            "**/api/v1/users?*", 500, {"title": "It broke", "detail": "Why", "traceId": "e" * 32}
        )
        await page.get_by_role("button", name="suspended only").click()
        await expect(page.get_by_role("alert")).to_contain_text("e" * 32)


@pytest.mark.parametrize("theme", THEMES)
async def test_axe_finds_nothing_and_a_telephone_has_room(open_as: Open, theme: str) -> None:
    async with open_as(ADMIN, theme=theme) as visitor:
        await visitor.go("/customers")
        await expect(visitor.page.locator("tbody tr a").first).to_be_visible()
        assert await visitor.accessibility_findings() == []
        await visitor.shot(f"customers-{theme}")
        await visitor.resize(PHONE)
        assert await visitor.off_screen() == []
        await visitor.shot(f"customers-{theme}-phone")
