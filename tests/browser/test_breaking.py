"""Injected faults, and how the other pages show them."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.test_watching import orders
from tests.browser.visitor import ADMIN, Visitor, together
from tests.support.eventually import eventually
from tests.support.stack import OPERATOR, Stack, new_product


@pytest_asyncio.fixture(loop_scope="session")
async def calm(stack: Stack) -> AsyncIterator[None]:
    """Ends the faults of a test, so that the next one finds none."""
    yield
    async with stack.api(ADMIN) as admin:
        assert (await admin.call("DELETE", "/api/v1/chaos")).status == 200


async def inject(visitor: Visitor, **fields: str) -> None:
    """Inject a fault with the form; `fields`: values by the first word of their labels."""
    for label, value in fields.items():
        control = visitor.page.get_by_label(re.compile(f"^{label}"))
        if await control.evaluate("one => one.tagName") == "SELECT":
            await control.select_option(value)
        else:
            await control.fill(value)
    await visitor.page.get_by_role("button", name="Inject").click()


async def test_a_gremlin_turns_the_header_red_on_every_page_and_stopping_it_green_again(
    open_as: Open, stack: Stack, calm: None
) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, "SLOW-1", 1000)
    async with together(open_as(ADMIN), open_as(OPERATOR)) as (admin, operator_window):
        await asyncio.gather(operator_window.go("/overview"), admin.go("/chaos"))
        await inject(admin, Service="orders", Every="1", Delay="2500", Duration="300")
        await expect(admin.page.get_by_role("timer")).to_be_visible()
        await expect(admin.page.get_by_role("button", name="Stop all")).to_be_enabled()
        await orders(
            stack, "SLOW-1", 12
        )  # enough to outweigh the quick orders of other tests in the window
        for window in (admin, operator_window):
            await expect(window.page.locator(".health")).to_contain_text("Slow")
            await expect(window.page.locator(".frame.is-bad")).to_be_visible()
            await expect(window.page.locator(".banner")).to_contain_text(
                "orders: every request waits 2500 ms"
            )
        await expect(operator_window.page.locator(".banner").get_by_role("link")).to_have_count(0)
        assert await operator_window.accessibility_findings() == []
        await operator_window.shot("overview-slow")
        await admin.shot("chaos-on")
        await admin.page.get_by_role("button", name="Stop all").click()
        await expect(admin.page.get_by_text("No faults are active")).to_be_visible()
        await expect(operator_window.page.locator(".banner")).to_have_count(0)
        await orders(
            stack, "SLOW-1", 60
        )  # so many quick ones outweigh the slow ones before the window has passed
        await expect(operator_window.page.locator(".health")).to_contain_text("Healthy")
        await expect(operator_window.page.locator(".frame.is-bad")).to_have_count(0)
        await expect(admin.page.get_by_role("table", name="Past faults")).to_contain_text("stopped")
        await admin.go("/metrics?minutes=5")
        await expect(
            admin.page.get_by_role("table", name=re.compile("Faults injected"))
        ).to_contain_text("2500 ms")
        await admin.shot("metrics-after-chaos")


async def test_a_cut_dependency_opens_the_breaker_on_the_map(
    open_as: Open, stack: Stack, calm: None
) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, "CUT-1", 1000)
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        await visitor.go("/map")
        edge = page.locator("[data-edge=orders-inventory]").first
        await expect(edge).to_have_attribute("data-state", "closed")
        await visitor.go("/chaos?tab=cut")
        await inject(visitor, Service="orders", Cut="inventory", Duration="300")
        await expect(page.get_by_role("timer")).to_be_visible()
        await expect(page.locator(".health")).to_contain_text("no request has met it yet")
        for _ in range(6):  # concurrent orders would be one batch, and one call
            await orders(stack, "CUT-1", 1)
        await visitor.go("/map")
        await expect(edge).to_have_attribute("data-state", re.compile("open"))
        await expect(page.locator(".summary")).to_contain_text("orders → inventory")
        await expect(page.locator(".frame.is-bad .health")).to_be_visible()
        await visitor.shot("map-breaker")
        await page.get_by_role(
            "link", name=re.compile("^Orders since .* cut off from inventory")
        ).click()
        await page.get_by_role("table", name="Orders").get_by_role("link").first.click()
        await expect(page.locator(".card", has_text="Faults during this order")).to_contain_text(
            "cut off from inventory"
        )
        await visitor.api("DELETE", "/api/v1/chaos/orders")
        await visitor.go("/map")
        await expect(edge).to_have_attribute("data-state", "half_open")
        await expect(page.locator(".summary")).to_contain_text("waits for the next call")

        async def closed() -> bool:
            """Each order is a trial of the breaker; on a busy machine one may time out, too."""
            await orders(stack, "CUT-1", 1)
            return await edge.get_attribute("data-state") == "closed"

        await eventually(closed)


async def test_a_crash_has_to_be_confirmed_by_typing_whom(
    open_as: Open, stack: Stack, calm: None
) -> None:
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        await visitor.go("/chaos?tab=crash")
        await inject(visitor, Service="payments", Duration="300")
        dialog = page.get_by_role("dialog")
        crash = dialog.get_by_role("button", name="Crash payments")
        await expect(crash).to_be_disabled()
        await dialog.get_by_label("Type payments to confirm").fill("orders")
        await expect(crash).to_be_disabled()
        assert await visitor.accessibility_findings() == []
        await dialog.get_by_label("Type payments to confirm").fill("payments")
        await crash.click()
        await expect(page.get_by_role("timer")).to_be_visible()
        await page.get_by_role("button", name="Stop the faults of payments").click()
        await expect(page.get_by_text("No faults are active")).to_be_visible()
