"""One stack and one Chromium for all browser tests; each window has a browser profile of its own."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from pytest_asyncio import is_async_test

from tests.browser.visitor import PATIENCE_MS, Visitor
from tests.system.stack import Stack

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
Open = Callable[..., AbstractAsyncContextManager[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder on the event loop that drives the browser; the hook gets those of all folders."""
    on_the_loop_of_the_browser = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents and is_async_test(item):
            item.add_marker(on_the_loop_of_the_browser, append=False)


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """With demo data, faults allowed, two consoles and two hubs."""
    folder = Path(tempfile.mkdtemp(prefix="valerix-browser-"))
    folder.chmod(0o711)
    started = Stack(folder, chaos="enabled")
    try:
        started.up("--replicas", "console=2", "--replicas", "notifications=2")
        yield started
    finally:
        started.down()
        shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no browser: install the package chromium")
    async with async_playwright() as playwright:
        # Chromium's own sandbox needs kernel features that containers and root do not have.
        launched = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield launched
        await launched.close()


@pytest.fixture
def open_as(browser: Browser, stack: Stack) -> Open:
    """`async with open_as(email, theme=…, size=…) as visitor:` - somebody signed in at a window of their own."""
    return lambda email, **how: Visitor.open(browser, stack, email, **how)
