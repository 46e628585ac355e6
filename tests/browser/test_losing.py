"""Lost connections are restored, and typed text is kept."""

import os
import re
import signal

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewCustomer, Open
from tests.browser.test_shop import choose, stocked, toast
from tests.browser.visitor import Visitor
from tests.support.eventually import eventually
from tests.support.stack import OPERATOR, Stack, place


async def killed(stack: Stack, *names: str) -> None:
    """Kill processes with SIGKILL; returns when each of them runs again and is healthy."""
    before = {name: stack.pid(name) for name in names}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    async def back() -> bool:
        processes = stack.state["processes"]
        return all(
            processes[name]["healthy"] and processes[name]["identity"]["pid"] != pid
            for name, pid in before.items()
        )

    await eventually(back, 90)


async def live(visitor: Visitor) -> None:
    await expect(visitor.page.locator(".connection")).to_have_text("Live")


@pytest.mark.parametrize(
    "names",
    [("notifications", "notifications-2"), ("console", "console-2"), ("gateway",)],
    ids=["hub", "console", "gateway"],
)
async def test_it_reconnects_and_keeps_what_was_typed(
    open_as: Open, stack: Stack, names: tuple[str, ...]
) -> None:
    sku = f"LOSE-{names[0].upper()}"
    await stocked(stack, sku, 10)
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/")
        await live(visitor)
        await choose(page, sku)
        await page.get_by_label("Customer number").fill("CUST-00")
        await page.get_by_label("Quantity").fill("2")
        await page.evaluate("""() => {
            window.lost = false
            new MutationObserver(() => {
                window.lost ||= Boolean(document.querySelector(".connection.bad"))
            }).observe(document, {subtree: true, childList: true, attributes: true})
        }""")
        await killed(stack, *names)
        await eventually(
            lambda: page.evaluate("lost")
        )  # perhaps for less time than between two polls
        await live(visitor)
        await expect(page.get_by_label("Customer number")).to_have_value("CUST-00")
        await expect(page.get_by_label("Quantity")).to_have_value("2")
        await page.get_by_label("Customer number").fill("CUST-002")
        await page.get_by_role("button", name="Create order").click()
        await expect(toast(page, "Order confirmed", sku)).to_be_visible()


async def test_what_happened_meanwhile_is_told_once(
    open_as: Open, stack: Stack, new_customer: NewCustomer
) -> None:
    await stocked(stack, "ONCE-1", 10)
    customer = await new_customer()
    async with open_as(customer.email) as visitor:
        page = visitor.page
        await page.add_init_script("""
            window.shown = []
            new MutationObserver((changes) => changes.forEach((one) => {
                one.addedNodes.forEach((node) => {
                    if (!node.matches?.(".toast") || !node.textContent.includes("ONCE-1")) return
                    window.shown.push(node.querySelector(".toast-title").textContent)
                })
            })).observe(document, {childList: true, subtree: true})
        """)
        await visitor.go("/")
        await live(visitor)
        async with stack.api(customer.email) as api:
            assert (await place(api, {"ONCE-1": 1}, customer.number)).status == 201
            await expect(toast(page, "Order confirmed", "ONCE-1")).to_be_visible()
            for name in ("notifications", "notifications-2"):
                os.kill(stack.pid(name), signal.SIGKILL)
            assert (await place(api, {"ONCE-1": 1}, customer.number)).status == 201
        await live(visitor)

        async def both_delivered() -> bool:
            shown: list[str] = await page.evaluate("shown")
            return shown.count("Order delivered") >= 2

        await eventually(both_delivered, 60)
        shown = await page.evaluate("shown")
        assert sorted(shown) == sorted(["Order confirmed", "Order shipped", "Order delivered"] * 2)


async def test_a_page_that_was_opened_offline_appears_when_the_network_is_back(
    open_as: Open,
) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/")
        await live(visitor)
        await visitor.context.set_offline(True)
        await page.get_by_role("link", name="Payments").click()
        await expect(
            page.get_by_text("The page could not be loaded. Trying again automatically.")
        ).to_be_visible()
        assert await visitor.accessibility_findings() == []
        await visitor.context.set_offline(False)
        await expect(page.get_by_role("searchbox", name="Search payments")).to_be_visible()


async def test_without_the_server_it_says_how_old_the_data_is_and_goes_on_by_itself(
    open_as: Open, stack: Stack
) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/map")
        await expect(page.locator("[data-node=orders]")).to_be_visible()
        with stack.kept_down("gateway"):
            await expect(page.locator(".connection")).to_have_text(
                re.compile(r"Reconnecting.*data \d+ s old")
            )
            await expect(page.locator("[data-node=orders]")).to_be_visible()
            assert await visitor.accessibility_findings() == []
            await visitor.shot("offline")
        await live(visitor)
