"""A window in which the test decides the order of an answer and the live event about it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from playwright.async_api import Page, Route, WebSocketRoute

from tests.browser.visitor import NEXT_FRAME, Visitor

RECORD: Final = """
    window.received = []
    window.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address)
            this.addEventListener("message", ({ data }) => received.push(data))
        }
    }
    window.answered = []
    const call = fetch, text = Response.prototype.text
    window.fetch = async (address, options) =>
        Object.assign(await call(address, options), { method: options.method })
    Response.prototype.text = async function () {
        const body = await text.call(this)
        // the page handles the answer before the next task
        setTimeout(() => answered.push(this.method))
        return body
    }
    window.shown = []
    const keep = (node) => {
        if (node.matches?.(".toast")) shown.push(node.querySelector(".toast-title").textContent)
    }
    new MutationObserver((changes) => changes.forEach((change) => change.addedNodes.forEach(keep)))
        .observe(document, { childList: true, subtree: true })
"""
"""Records received live messages, handled answers and the titles of shown toasts."""


class Race:
    """Holds answers of the API and live events until the test releases them."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._answers, self._events = asyncio.Event(), asyncio.Event()
        self._answers.set()
        self._events.set()
        self._held_events: list[tuple[WebSocketRoute, str | bytes]] = []

    @classmethod
    async def prepare(cls, visitor: Visitor) -> Self:
        """Prepare a window; call it before the first page is opened."""
        race = cls(visitor.page)
        await visitor.page.route_web_socket(re.compile(r"/ws(\?|$)"), race._connect)
        await visitor.page.add_init_script(RECORD)
        return race

    @asynccontextmanager
    async def answers_held(self, method: str, pattern: str) -> AsyncIterator[asyncio.Event]:
        """Yields an event that is set once the server has answered.

        The answer reaches the page at the end of the block.
        """
        answered = asyncio.Event()

        async def answer(route: Route) -> None:
            if route.request.method != method:
                return await route.fallback()
            response = await route.fetch()
            answered.set()
            await self._answers.wait()
            return await route.fulfill(response=response)

        self._answers.clear()
        await self._page.route(pattern, answer)
        try:
            yield answered
        finally:
            self._answers.set()

    @asynccontextmanager
    async def events_held(self) -> AsyncIterator[None]:
        """Hold live events; they reach the page at the end of the block, in their order."""
        self._events.clear()
        try:
            yield
        finally:
            self._events.set()
            for connection, message in self._held_events:
                connection.send(message)
            self._held_events.clear()

    async def received(self, event: str, about: str) -> None:
        """Wait until the page has received the live event and shown its effects."""
        await self._page.wait_for_function(
            "(wanted) => received.some((text) => wanted.every((part) => text.includes(part)))",
            arg=[f'"valerix.{event}.v1"', about],
        )
        await self._page.evaluate(NEXT_FRAME)

    async def answered(self, method: str) -> None:
        """Wait until the page has handled the answer to a call, with all effects."""
        await self._page.wait_for_function("(method) => answered.includes(method)", arg=method)
        await self._page.evaluate(NEXT_FRAME)

    async def toasts(self, title: re.Pattern[str]) -> list[str]:
        """The titles of all toasts shown so far that match `title`."""
        shown: list[str] = await self._page.evaluate("shown")
        return [one for one in shown if title.search(one)]

    def _connect(self, connection: WebSocketRoute) -> None:
        server = connection.connect_to_server()
        server.on_message(lambda message: self._forward(connection, message))

    def _forward(self, connection: WebSocketRoute, message: str | bytes) -> None:
        if self._events.is_set():
            connection.send(message)
        else:
            self._held_events.append((connection, message))
