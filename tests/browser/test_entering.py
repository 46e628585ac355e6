"""Signing in and out, registration, and the pages of each role."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Open
from tests.browser.visitor import ADMIN, PHONE, THEMES
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack
from valerix.contracts.ids import new_id

NAVIGATION = {
    ADA: ["New order", "Orders"],
    OPERATOR: [
        "New order",
        "Overview",
        "Orders",
        "Inventory",
        "Payments",
        "System map",
        "Metrics",
        "Logs",
    ],
    ADMIN: ["Overview", "Customers", "Audit", "Chaos"],
}


async def test_one_click_on_a_demo_account_signs_in(open_as: Open) -> None:
    async with open_as(None) as visitor:
        page = visitor.page
        await visitor.go("/")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await visitor.shot("login")
        await page.get_by_role("button", name="Operator").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_an_unknown_user_and_a_wrong_password_are_told_the_same(open_as: Open) -> None:
    async with open_as(None) as visitor:
        page = visitor.page
        await visitor.go("/")
        said = []
        for email in (ADA, "nobody@demo.valerix.example"):
            await page.get_by_label("E-mail").fill(email)
            await page.get_by_label("Password").fill("wrong password")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_label("Password")).to_have_value("")
            await expect(page.get_by_role("alert")).to_be_visible()
            said.append(await page.get_by_role("alert").inner_text())
        assert said[0] == said[1] == "E-mail or password is wrong."
        await expect(page.get_by_label("E-mail")).to_have_value("nobody@demo.valerix.example")


async def test_who_tries_too_often_is_told_how_long_to_wait(open_as: Open) -> None:
    async with open_as(None) as visitor:
        page = visitor.page
        await visitor.go("/")
        await page.route(
            "**/api/v1/users/login",
            lambda route: route.fulfill(
                status=429,
                json={"code": "rate_limited", "detail": "Too many"},
                headers={"Retry-After": "40"},
            ),
        )
        await page.get_by_label("E-mail").fill(ADA)
        await page.get_by_label("Password").fill("guess")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("Too many attempts")
        await expect(page.get_by_role("button", name=re.compile("Wait 0:[0-3]"))).to_be_disabled()


async def test_an_ended_session_leads_back_to_the_page_that_was_left(
    open_as: Open, stack: Stack
) -> None:
    async with open_as(OPERATOR) as visitor:
        page = visitor.page
        await visitor.go("/inventory?q=PROD-00")
        await expect(page.get_by_role("heading", name="Inventory", exact=True)).to_be_visible()
        await page.get_by_role("searchbox").focus()
        await visitor.api("POST", "/api/v1/users/logout")
        await page.keyboard.type(
            "3"
        )  # into any element: perhaps the page has noticed the logout already
        await expect(page.get_by_text("Your session has ended")).to_be_visible()
        await visitor.shot("session-ended")
        await page.get_by_label("E-mail").fill(OPERATOR)
        await page.get_by_label("Password").fill(stack.secret("demo"))
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Inventory", exact=True)).to_be_visible()


async def test_an_expired_access_token_is_renewed_without_a_word(open_as: Open) -> None:
    async with open_as(OPERATOR) as visitor:
        await visitor.go("/orders")
        await expect(visitor.page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
        await visitor.context.clear_cookies(name="valerix_access")
        await visitor.page.reload()
        await expect(visitor.page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
        await expect(visitor.page.locator(".connection")).to_contain_text("Live")


async def test_a_renewal_that_another_page_has_begun_is_waited_for(open_as: Open) -> None:
    """As after a reload: the refresh token is used, and the new cookies arrive a moment later."""
    async with open_as(OPERATOR) as visitor:
        await visitor.go("/orders")
        await expect(visitor.page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
        cookies = {cookie["name"]: cookie["value"] for cookie in await visitor.context.cookies()}
        elsewhere: list[asyncio.Task[Any]] = []

        async def other_page(url: str) -> None:
            await asyncio.sleep(0.5)
            await visitor.context.request.post(
                url, headers={"X-CSRF-Token": cookies["valerix_csrf"]}
            )

        async def superseded(route: Route) -> None:
            elsewhere.append(asyncio.create_task(other_page(route.request.url)))
            await route.fulfill(status=409, json={"code": "refresh_superseded"})

        await visitor.page.route("**/api/v1/users/refresh", superseded)
        await visitor.context.clear_cookies(name="valerix_access")
        await visitor.page.reload()
        await expect(visitor.page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
        await asyncio.gather(*elsewhere)


@pytest.mark.parametrize("email", list(NAVIGATION))
async def test_the_navigation_shows_what_the_role_may_see(open_as: Open, email: str) -> None:
    async with open_as(email) as visitor:
        await visitor.go("/")
        pages = visitor.page.get_by_role("navigation", name="Pages")
        await expect(pages.get_by_role("link", name="New order")).to_be_visible()
        for name in NAVIGATION[email]:
            await expect(pages.get_by_role("link", name=name, exact=True)).to_be_visible()
        if email != ADMIN:
            await expect(pages.get_by_role("link", name="Chaos")).to_have_count(0)
        if email == ADA:
            await expect(pages.get_by_role("link", name="Overview")).to_have_count(0)


@pytest.mark.parametrize(
    ("email", "path", "role"),
    [(ADA, "/overview", "operator or admin"), (OPERATOR, "/chaos", "admin")],
)
async def test_a_page_of_another_role_names_the_role_it_needs(
    open_as: Open, email: str, path: str, role: str
) -> None:
    async with open_as(email) as visitor:
        await visitor.go(path)
        await expect(visitor.page.get_by_role("alert")).to_contain_text(f"needs the role {role}")
        assert await visitor.accessibility_findings() == []


async def test_an_unknown_address_says_so_and_offers_a_way_on(open_as: Open) -> None:
    async with open_as(ADA) as visitor:
        await visitor.go("/nowhere/at/all")
        await expect(visitor.page.get_by_text("There is no such page")).to_be_visible()
        await visitor.page.get_by_role("link", name="Go to the shop").click()
        await expect(visitor.page.get_by_role("heading", name="New order")).to_be_visible()


@pytest.mark.parametrize("theme", THEMES)
async def test_the_way_in_is_accessible_and_fits_a_telephone(open_as: Open, theme: str) -> None:
    async with open_as(None, theme=theme, size=PHONE) as visitor:
        await visitor.go("/")
        await expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
        await expect(visitor.page.get_by_role("button", name="Administrator")).to_be_visible()
        assert await visitor.accessibility_findings() == []
        assert await visitor.off_screen() == []
        await visitor.shot(f"login-{theme}-phone")


async def test_the_first_load_is_small(open_as: Open) -> None:
    """Counts the bytes on the wire, compressed by the gateway, until the shop can be used."""
    async with open_as(ADA) as visitor:
        client = await visitor.context.new_cdp_session(visitor.page)
        await client.send("Network.enable")
        sizes: dict[str, float] = {}
        client.on(
            "Network.loadingFinished",
            lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
        )
        await visitor.go("/")
        await expect(visitor.page.get_by_role("button", name="Create order")).to_be_visible()
        assert len(sizes) <= 26, sizes
        assert sum(sizes.values()) <= 120 * 1024, sizes


async def test_the_keyboard_reaches_everything(open_as: Open) -> None:
    async with open_as(ADA) as visitor:
        page = visitor.page
        await visitor.go("/")
        await expect(page.get_by_role("heading", name="New order")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
        await page.get_by_role("link", name="Orders").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_be_focused()


async def test_the_theme_is_switched_and_remembered(open_as: Open) -> None:
    async with open_as(ADA) as visitor:
        page = visitor.page
        await visitor.go("/")
        await page.get_by_role("button", name="Switch to the dark theme").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        await page.reload()
        await expect(page.get_by_role("button", name="Switch to the light theme")).to_be_visible()


async def test_an_account_is_made_and_kept_by_its_owner(open_as: Open) -> None:
    async with open_as(None) as visitor:
        page = visitor.page
        await visitor.go("/")
        await page.get_by_role("link", name="Create an account").click()
        email = f"lena-{new_id()}@shop.example"
        for label, text in (
            ("Name", "Lena"),
            ("E-mail", email),
            ("Password", "several unrelated words"),
        ):
            await page.get_by_label(label).fill(text)
        await visitor.shot("register")
        assert await visitor.accessibility_findings() == []
        await page.get_by_role("button", name="Create the account").click()
        await expect(page.get_by_role("heading", name="New order")).to_be_visible()
        await page.get_by_role("link", name="Your account").click()
        await page.get_by_label("Name").fill("Lena Linde")
        await page.get_by_label("E-mail").fill(f"moved-{email}")
        await page.get_by_label("Current password").first.fill("not this one")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_contain_text("password")
        assert await visitor.accessibility_findings() == []
        await page.get_by_label("Current password").first.fill("several unrelated words")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator(".who-name")).to_have_text(f"moved-{email}")
        await page.get_by_role("button", name="Send an e-mail to confirm").click()
        await expect(page.get_by_text("An e-mail with a link is on its way")).to_be_visible()
        await page.get_by_label("Current password").fill("several unrelated words")
        await page.get_by_label("New password").fill("other unrelated words")
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_text("Your password is changed")).to_be_visible()
        await expect(page.get_by_text("this one", exact=True)).to_be_visible()
        await visitor.shot("account")


async def test_a_forgotten_password_is_set_anew(open_as: Open, stack: Stack) -> None:
    """As in the demo, where administrators see the link."""
    account = {
        "name": "Nora",
        "email": f"nora-{new_id()}@shop.example",
        "password": "orbital mechanics",
    }
    async with stack.api(None) as api:
        made = (await api.post("/api/v1/users/register", account)).json
    async with open_as(None) as visitor:
        page = visitor.page
        await visitor.go("/")
        await page.get_by_role("link", name="Forgot your password?").click()
        await page.get_by_label("E-mail").fill(account["email"])
        await visitor.shot("forgot-password")
        await page.get_by_role("button", name="Send the link").click()
        await expect(page.get_by_role("status")).to_contain_text(
            "an e-mail with a link is on its way"
        )

        await page.goto(await _link(stack, made["customerId"], "reset_password"))
        await expect(page).to_have_url(re.compile(r"/console/reset-password$"))
        await page.get_by_label("New password").fill("nora-nora-nora")
        await page.get_by_role("button", name="Set the password").click()
        await expect(page.get_by_role("alert")).to_contain_text("too easy to guess")
        await page.get_by_label("New password").fill("several unrelated words")
        await visitor.shot("reset-password")
        await page.get_by_role("button", name="Set the password").click()
        await expect(page.get_by_role("status")).to_contain_text("Your password is set")
        await page.get_by_role("link", name="Sign in").click()
        await page.get_by_label("E-mail").fill(account["email"])
        await page.get_by_label("Password").fill("several unrelated words")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="New order")).to_be_visible()

        await page.goto(await _link(stack, made["customerId"], "confirm_email"))
        await page.get_by_role("button", name="Confirm the address").click()
        await expect(page.get_by_role("alert")).to_contain_text(
            "used before, or is older than 30 minutes"
        )


async def _link(stack: Stack, customer: str, template: str) -> str:
    """The link in the newest mail of this template."""
    async with stack.api(ADMIN) as api:

        async def look() -> list[str]:
            found = (await api.get(f"/api/v1/notifications?customerId={customer}")).json["items"]
            return [mail["body"] for mail in found if mail["template"] == template]

        (body, *_) = await eventually(look)
    link = re.search(r"http\S+#\S+", body)
    assert link is not None
    return link[0]
