"""The asynchronous client, for asyncio."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import RequestError

from valerix.client import calls, transport
from valerix.client.calls import Pages
from valerix.client.models import SignedIn
from valerix.client.session import DEFAULT_RETRY_SECONDS, Session
from valerix.client.steps import Answer, Flow, Outcome, Pause, Request, SignIn
from valerix.client.transport import DEFAULT_TIMEOUT_SECONDS

P = ParamSpec("P")
T = TypeVar("T")


class Runner:
    """Runs flows in the calling task; concurrent tasks share one sign-in."""

    def __init__(self, session: Session, url: str, http: Client) -> None:
        self._session = session
        self._url = url
        self._http = http
        self._signing_in = asyncio.Lock()

    async def run(self, flow: Flow[T]) -> T:
        outcome: Outcome | None = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            outcome = await self._do(step)

    async def _do(self, step: Request | Pause | SignIn) -> Outcome | None:
        match step:
            case Request():
                return await self._exchange(step)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case SignIn(stale):
                async with self._signing_in:
                    await self.run(self._session.renew(stale))
        return None

    async def _exchange(self, request: Request) -> Outcome:
        sending = self._http.request(request.method, self._url + request.path).headers(
            dict(request.headers)
        )
        if request.body is not None:
            sending = sending.header("content-type", "application/json").body_bytes(request.body)
        try:
            response = await sending.build().send()
            return Answer(
                response.status, (await response.bytes()).to_bytes(), dict(response.headers.items())
            )
        except RequestError as error:
            return transport.no_reply(error, self._url)


class _Group:
    """Base of the calls of one resource."""

    def __init__(self, calls: Any, runner: Runner) -> None:
        self._calls = calls
        self._runner = runner


def _awaitable(
    build: Callable[Concatenate[Any, P], Flow[T]],
) -> Callable[Concatenate[_Group, P], Coroutine[Any, Any, T]]:
    @functools.wraps(build)
    async def call(self: _Group, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._runner.run(build(self._calls, *args, **kwargs))

    return call


def _iterating(
    build: Callable[Concatenate[Any, P], Pages[T]],
) -> Callable[Concatenate[_Group, P], AsyncIterator[T]]:
    @functools.wraps(build)
    async def iterate(self: _Group, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        pages = build(self._calls, *args, **kwargs)
        page = await self._runner.run(pages.page(None))
        for item in page.items:
            yield item
        while page.next_cursor is not None:
            page = await self._runner.run(pages.page(page.next_cursor))
            for item in page.items:
                yield item

    return iterate


class Orders(_Group):
    place = _awaitable(calls.Orders.place)
    get = _awaitable(calls.Orders.get)
    list = _iterating(calls.Orders.list)
    timeline = _awaitable(calls.Orders.timeline)
    cancel = _awaitable(calls.Orders.cancel)
    retry = _awaitable(calls.Orders.retry)
    change = _awaitable(calls.Orders.change)
    wait_until = _awaitable(calls.Orders.wait_until)


class Inventory(_Group):
    get = _awaitable(calls.Inventory.get)
    list = _iterating(calls.Inventory.list)
    movements = _iterating(calls.Inventory.movements)
    adjust = _awaitable(calls.Inventory.adjust)
    update = _awaitable(calls.Inventory.update)


class Products(_Group):
    get = _awaitable(calls.Products.get)
    list = _iterating(calls.Products.list)
    create = _awaitable(calls.Products.create)
    update = _awaitable(calls.Products.update)
    delete = _awaitable(calls.Products.delete)


class Warehouses(_Group):
    list = _iterating(calls.Warehouses.list)
    create = _awaitable(calls.Warehouses.create)


class Payments(_Group):
    get = _awaitable(calls.Payments.get)
    of_order = _awaitable(calls.Payments.of_order)
    list = _iterating(calls.Payments.list)
    refunds = _iterating(calls.Payments.refunds)
    events = _iterating(calls.Payments.events)
    refund = _awaitable(calls.Payments.refund)


class Customers(_Group):
    get = _awaitable(calls.Customers.get)
    validate = _awaitable(calls.Customers.validate)


class Users(_Group):
    register = _awaitable(calls.Users.register)
    me = _awaitable(calls.Users.me)


class DeadLetters(_Group):
    list = _iterating(calls.DeadLetters.list)
    get = _awaitable(calls.DeadLetters.get)
    replay = _awaitable(calls.DeadLetters.replay)


class Chaos(_Group):
    overview = _awaitable(calls.Chaos.overview)
    get = _awaitable(calls.Chaos.get)
    resilience = _awaitable(calls.Chaos.resilience)
    gremlin = _awaitable(calls.Chaos.gremlin)
    crash = _awaitable(calls.Chaos.crash)
    errors = _awaitable(calls.Chaos.errors)
    cut = _awaitable(calls.Chaos.cut)
    failpoint = _awaitable(calls.Chaos.failpoint)
    behaviour = _awaitable(calls.Chaos.behaviour)
    stop = _awaitable(calls.Chaos.stop)
    stop_all = _awaitable(calls.Chaos.stop_all)


class AsyncValerix:
    """Same as `Valerix`, with awaitable calls and asynchronous iterators; for one event loop.

    Use it with `async with`, or close it.
    """

    def __init__(
        self,
        url: str,
        *,
        email: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ca_file: Path | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retry_seconds: float = DEFAULT_RETRY_SECONDS,
    ) -> None:
        url = transport.base_url(url)
        session = Session(email=email, password=password, token=token, retry_seconds=retry_seconds)
        self._session = session
        self._http = transport.configured(ClientBuilder(), url, timeout_seconds, ca_file).build()
        self._runner = runner = Runner(session, url, self._http)
        self.orders = Orders(calls.Orders(session), runner)
        self.inventory = Inventory(calls.Inventory(session), runner)
        self.products = Products(calls.Products(session), runner)
        self.warehouses = Warehouses(calls.Warehouses(session), runner)
        self.payments = Payments(calls.Payments(session), runner)
        self.customers = Customers(calls.Customers(session), runner)
        self.users = Users(calls.Users(session), runner)
        self.dead_letters = DeadLetters(calls.DeadLetters(session), runner)
        self.chaos = Chaos(calls.Chaos(session), runner)

    async def login(self, email: str, password: str) -> SignedIn:
        """Sign in; later calls are made as this user. Raises Unauthenticated."""
        return await self._runner.run(self._session.login(email, password))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
