"""A visitor at a browser: real Chromium, the real gateway, signed in with cookies as people are."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

from tests.support.stack import Stack

ADMIN = "admin@demo.valerix.example"
AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.1" / "axe.min.js"
SHOTS = os.environ.get("VALERIX_SCREENSHOTS")
"""Folder for screenshots, which CI keeps; without it none are taken."""
TIMEOUT_MS = 60_000
WATCH_POLICY = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"""
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
OFF_SCREEN = """() => [document.documentElement, ...document.querySelectorAll(
        "main button, main a, main td, main th, main input, main select, main [data-node], "
        + "header *")]
    .filter((one) => !one.closest(".chips, .tabs, .sr-only") && one.checkVisibility())
    .filter((one) => (one === document.documentElement ? one.scrollWidth
        : one.getBoundingClientRect().right) > innerWidth + 1)
    .map((one) => one.outerHTML.slice(0, 100))"""
Size = tuple[int, int]
DESK: Size = (1360, 900)
PHONE: Size = (375, 812)
THEMES = ("light", "dark")
expect.set_options(timeout=TIMEOUT_MS)


class Answers:
    """Answers some calls instead of the server, with a problem document that may change."""

    def __init__(self) -> None:
        self._status, self._document = 500, dict[str, Any]()
        self._go_on = asyncio.Event()
        self._go_on.set()

    def become(self, status: int, document: dict[str, Any]) -> None:
        self._status, self._document = status, document

    def be_real(self) -> None:
        """Let the server answer from now on."""
        self._status = 0

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold calls; they are answered at the end of the block."""
        self._go_on.clear()
        try:
            yield
        finally:
            self._go_on.set()

    async def give(self, route: Route) -> None:
        await self._go_on.wait()
        if self._status:
            await route.fulfill(
                status=self._status, json=self._document, content_type="application/problem+json"
            )
        else:
            await route.continue_()


async def sign_in(context: BrowserContext, stack: Stack, email: str | None) -> None:
    """Sign in without the form; the tests of signing in use the form."""
    if email is None:
        return
    body = {"email": email, "password": stack.secret("demo"), "session": "cookie"}
    answer = await context.request.post(f"{stack.url}/api/v1/users/login", data=body)
    assert answer.status == 200, await answer.text()


class Visitor:
    """A browser window.

    `faults`: errors of scripts and violations of the content security policy.
    """

    def __init__(self, page: Page, stack: Stack) -> None:
        self.page, self.stack = page, stack
        self.faults: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        browser: Browser,
        stack: Stack,
        email: str | None,
        theme: str = "light",
        size: Size = DESK,
    ) -> AsyncIterator[Self]:
        """A new browser profile, signed in as `email`; fails at the end if scripts had errors."""
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            locale="en-US",
        )
        context.set_default_timeout(TIMEOUT_MS)
        try:
            page, _, _ = await asyncio.gather(
                context.new_page(),
                context.add_init_script(WATCH_POLICY),
                sign_in(context, stack, email),
            )
            visitor = cls(page, stack)
            yield visitor
            assert not visitor.faults, visitor.faults
        finally:
            await context.close()

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    async def go(self, path: str) -> None:
        """Open `path` below /console."""
        await self.page.goto(f"{self.stack.url}/console{path}")

    async def resize(self, size: Size) -> None:
        await self.page.set_viewport_size({"width": size[0], "height": size[1]})

    async def later(self, seconds: float) -> None:
        """Advance the page's clock; needs `page.clock.install()` before the page is opened."""
        await self.page.clock.fast_forward(round(seconds * 1000))

    async def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the public API with this visitor's session, without the pages."""
        csrf = next(
            (c["value"] for c in await self.context.cookies() if c["name"] == "valerix_csrf"), ""
        )
        answer = await self.context.request.fetch(
            self.stack.url + path, method=method, data=body, headers={"X-CSRF-Token": csrf}
        )
        assert answer.ok, await answer.text()
        return await answer.json() if await answer.body() else None

    async def answer(self, pattern: str, status: int, document: dict[str, Any]) -> "Answers":
        """Answer calls whose URL matches `pattern` with this document from now on."""
        answers = Answers()
        answers.become(status, document)
        await self.page.route(pattern, answers.give)
        return answers

    async def shot(self, name: str) -> None:
        """Take a screenshot of the complete page, for people to look at."""
        if SHOTS:
            await self.page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)

    async def accessibility_findings(self) -> list[str]:
        """Accessibility violations that axe finds on the shown page."""
        if not await self.page.evaluate("'axe' in window"):
            await self.page.evaluate(AXE.read_text())
        await self.page.evaluate(
            NEXT_FRAME
        )  # a theme that was just changed is in no colour half-way
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    async def off_screen(self) -> list[str]:
        """Elements that are visible only after scrolling sideways, except rows of chips and tabs.

        The document comes first, if it is wider than the window.
        """
        await self.page.evaluate(NEXT_FRAME)  # the page adapts to its window
        found: list[str] = await self.page.evaluate(OFF_SCREEN)
        return found

    def _listen(self, message: ConsoleMessage) -> None:
        # A refused call is shown on the page; the browser's own message about it is no script
        # error.
        if message.type == "error" and not message.text.startswith(
            ("Failed to load resource", "WebSocket connection")
        ):
            self.faults.append(message.text)


@asynccontextmanager
async def together(*windows: AbstractAsyncContextManager[Visitor]) -> AsyncIterator[list[Visitor]]:
    """Several windows, opened concurrently."""
    async with AsyncExitStack() as stack:
        yield await asyncio.gather(*(stack.enter_async_context(window) for window in windows))
