"""One Chromium for all browser tests; each window has a browser profile of its own."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from pytest_asyncio import is_async_test

from tests.browser.visitor import TIMEOUT_MS, Visitor
from tests.support.stack import Stack

HERE = Path(__file__).parent
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first that is installed is used. The headless shell is Chromium without the parts around a
page, which cost as much processor time as the pages.
"""
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
Open = Callable[..., AbstractAsyncContextManager[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder on the event loop that drives the browser.

    The hook is called with the tests of all folders.
    """
    on_the_loop_of_the_browser = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents and is_async_test(item):
            item.add_marker(on_the_loop_of_the_browser, append=False)


class Customer(NamedTuple):
    email: str
    """Signs in with the password of the demo accounts."""
    number: str


NewCustomer = Callable[[], Awaitable[Customer]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no browser: install the package chromium-headless-shell")
    async with async_playwright() as playwright:
        # Chromium's own sandbox needs kernel features that containers and root do not have.
        launched = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=TIMEOUT_MS
        )
        yield launched
        await launched.close()


@pytest.fixture
def new_customer(stack: Stack) -> NewCustomer:
    """`await new_customer()`: an account without orders, so that no other test affects it."""

    async def register() -> Customer:
        email = f"{uuid4().hex[:12]}@example.com"
        body = {"name": "Early Bird", "email": email, "password": stack.secret("demo")}
        async with stack.api(None) as guest:
            answer = await guest.post("/api/v1/users/register", body)
        assert answer.status == 201, answer.body
        return Customer(email, answer.json["customerId"])

    return register


@pytest.fixture
def open_as(browser: Browser, stack: Stack) -> Open:
    """A user signed in at a new window.

    `async with open_as(email, theme=…, size=…) as visitor:`
    """
    return lambda email, **how: Visitor.open(browser, stack, email, **how)
