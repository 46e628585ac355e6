"""Watching the platform: overview, map, metrics, logs."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.visitor import ADMIN, PHONE, THEMES
from tests.support.stack import ADA, OPERATOR, Stack, new_product, place

PAGES = {
    "/overview": "Latest orders",
    "/map": "Services",
    "/map?view=table&process=orders": "Calls",
    "/metrics?minutes=5": "Latest values",
    "/logs": "Logs",
    "/audit": "Audit",
    "/chaos": "In force",
    "/account": "Your account",
}


async def orders(stack: Stack, sku: str, count: int) -> None:
    """Place `count` orders concurrently."""
    async with stack.api(ADA) as ada:
        await asyncio.gather(*(place(ada, {sku: 1}) for _ in range(count)))


async def test_the_overview_counts_what_is_ordered(open_as: Open, stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, "COUNT-1", 1000)
    async with open_as(OPERATOR) as visitor:
        await visitor.go("/overview")
        await orders(stack, "COUNT-1", 3)
        figure = visitor.page.locator(".figure", has_text="Orders / min").locator(".figure-value")
        await expect(figure).to_have_text(re.compile("[1-9]"))
        await expect(visitor.page.get_by_role("table", name="Latest orders")).to_contain_text(
            "Test COUNT-1"
        )
        await expect(
            visitor.page.get_by_role("img", name=re.compile("^Requests .* now"))
        ).to_be_visible()
        await visitor.shot("overview")


async def test_the_map_shows_every_process_and_its_copies(open_as: Open, stack: Stack) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/map")
        for name in (
            "gateway",
            "orders",
            "worker",
            "users",
            "inventory",
            "payments",
            "notifications",
            "psp",
            "console",
        ):
            await expect(page.locator(f"[data-node={name}]")).to_have_attribute("data-status", "ok")
        await expect(page.locator("[data-node=console]")).to_contain_text(
            "\N{MULTIPLICATION SIGN}2"
        )
        for call in ("payments-orders", "inventory-orders"):
            await expect(page.locator(f"[data-edge={call}]")).to_have_attribute(
                "data-state", "closed"
            )
        node = page.locator("[data-node=inventory]")
        await node.focus()
        await page.keyboard.press("Enter")
        panel = page.locator(".side-panel")
        await expect(panel).to_contain_text("database")
        await expect(page).to_have_url(re.compile("process=inventory"))
        await visitor.shot("map")
        await page.reload()
        await expect(panel).to_be_visible()


async def test_a_trace_leads_from_the_log_to_its_order(open_as: Open, stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, "TRACE-1", 10)
    async with stack.api(ADA) as ada:
        answer = await place(ada, {"TRACE-1": 1})
        trace, order_id = answer.headers["trace-id"], answer.json["id"]
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/logs")
        await page.get_by_role("searchbox", name="Text or trace id").fill(trace)
        await expect(page).to_have_url(
            re.compile(f"trace={trace}")
        )  # until then all lines are shown
        await expect(page.locator(".log li").first).to_contain_text("/api/v1/orders")
        await visitor.shot("logs-trace")
        await page.get_by_role("link", name=re.compile("^Order of this trace")).click()
        await expect(page).to_have_url(re.compile(order_id))
        await expect(page.locator("h1")).to_be_visible()


async def test_logs_are_filtered_paused_and_told_when_nothing_matches(open_as: Open) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/logs")
        await expect(page.locator(".log li").first).to_be_visible()
        await page.get_by_label("Process").select_option("orders")
        await expect(page.locator(".log-who").first).to_have_text("orders")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.get_by_role("status").filter(has_text="paused")).to_be_visible()
        await page.get_by_role("button", name="Resume").click()
        await page.get_by_role("searchbox").fill("there is no such line")
        await expect(page.get_by_text("No line matches")).to_be_visible()
        await page.get_by_role("button", name="Show everything").click()
        await expect(page.locator(".log li").first).to_be_visible()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_accessible_and_fits_a_telephone(
    open_as: Open, path: str, theme: str
) -> None:
    async with open_as(ADMIN, theme=theme) as visitor:
        page = visitor.page
        await visitor.go(path)
        await expect(page.get_by_role("heading", name=PAGES[path]).first).to_be_visible()
        await expect(page.locator(".skeleton")).to_have_count(0)
        name = re.sub(r"\W+", "-", path.strip("/"))
        await visitor.shot(f"{name}-{theme}")
        assert await visitor.accessibility_findings() == []
        await visitor.resize(PHONE)
        assert await visitor.accessibility_findings() == []
        assert await visitor.off_screen() == []
        await visitor.shot(f"{name}-{theme}-phone")


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("/overview", "**/api/v1/orders?*"),
        ("/metrics", "**/console/api/history*"),
        ("/logs", "**/console/api/logs*"),
        ("/chaos", "**/api/v1/chaos"),
    ],
)
async def test_loading_error_and_forbidden_each_say_what_they_are(
    open_as: Open, path: str, call: str
) -> None:
    async with open_as(ADMIN) as visitor:
        page = visitor.page
        document = {
            "title": "Temporarily unavailable",
            "status": 503,
            "detail": "Too busy",
            "traceId": "d" * 32,
        }
        answers = await visitor.answer(call, 503, document)
        await visitor.go(path)
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("Too busy")
        await expect(alert).to_contain_text("d" * 32)
        assert await visitor.accessibility_findings() == []
        async with answers.held():  # some pages retry by themselves, too
            await alert.get_by_role("button", name="Try again").click()
            answers.become(
                403,
                {
                    "title": "Not allowed",
                    "status": 403,
                    "detail": "This route requires one of the roles: x",
                },
            )
        await expect(page.get_by_text("Your role has no access")).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")
        await page.reload()
        await expect(page.get_by_role("alert")).to_have_count(0)
