"""The blocking client, for threads."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import RequestError

from valerix.client import calls, transport
from valerix.client.calls import Pages
from valerix.client.models import SignedIn
from valerix.client.session import DEFAULT_RETRY_SECONDS, Session
from valerix.client.steps import Answer, Flow, Outcome, Pause, Request, SignIn
from valerix.client.transport import DEFAULT_TIMEOUT_SECONDS

P = ParamSpec("P")
T = TypeVar("T")


class _Runner:
    """Runs flows on the calling thread; concurrent threads share one sign-in."""

    def __init__(self, session: Session, url: str, http: SyncClient) -> None:
        self._session = session
        self._url = url
        self._http = http
        self._signing_in = threading.Lock()

    def run(self, flow: Flow[T]) -> T:
        outcome: Outcome | None = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            outcome = self._do(step)

    def _do(self, step: Request | Pause | SignIn) -> Outcome | None:
        match step:
            case Request():
                return self._exchange(step)
            case Pause(seconds):
                time.sleep(seconds)
            case SignIn(stale):
                with self._signing_in:
                    self.run(self._session.renew(stale))
        return None

    def _exchange(self, request: Request) -> Outcome:
        sending = self._http.request(request.method, self._url + request.path).headers(
            dict(request.headers)
        )
        if request.body is not None:
            sending = sending.header("content-type", "application/json").body_bytes(request.body)
        try:
            response = sending.build().send()
            return Answer(
                response.status, response.bytes().to_bytes(), dict(response.headers.items())
            )
        except RequestError as error:
            return transport.no_reply(error, self._url)


class _Group:
    """Base of the calls of one resource."""

    def __init__(self, calls: Any, runner: _Runner) -> None:
        self._calls = calls
        self._runner = runner


def _blocking(build: Callable[Concatenate[Any, P], Flow[T]]) -> Callable[Concatenate[_Group, P], T]:
    @functools.wraps(build)
    def call(self: _Group, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._runner.run(build(self._calls, *args, **kwargs))

    return call


def _iterating(
    build: Callable[Concatenate[Any, P], Pages[T]],
) -> Callable[Concatenate[_Group, P], Iterator[T]]:
    @functools.wraps(build)
    def iterate(self: _Group, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        pages = build(self._calls, *args, **kwargs)
        page = self._runner.run(pages.page(None))
        yield from page.items
        while page.next_cursor is not None:
            page = self._runner.run(pages.page(page.next_cursor))
            yield from page.items

    return iterate


class Orders(_Group):
    place = _blocking(calls.Orders.place)
    get = _blocking(calls.Orders.get)
    list = _iterating(calls.Orders.list)
    timeline = _blocking(calls.Orders.timeline)
    cancel = _blocking(calls.Orders.cancel)
    retry = _blocking(calls.Orders.retry)
    change = _blocking(calls.Orders.change)
    wait_until = _blocking(calls.Orders.wait_until)


class Inventory(_Group):
    get = _blocking(calls.Inventory.get)
    list = _iterating(calls.Inventory.list)
    movements = _iterating(calls.Inventory.movements)
    adjust = _blocking(calls.Inventory.adjust)
    update = _blocking(calls.Inventory.update)


class Products(_Group):
    get = _blocking(calls.Products.get)
    list = _iterating(calls.Products.list)
    create = _blocking(calls.Products.create)
    update = _blocking(calls.Products.update)
    delete = _blocking(calls.Products.delete)


class Warehouses(_Group):
    list = _iterating(calls.Warehouses.list)
    create = _blocking(calls.Warehouses.create)


class Payments(_Group):
    get = _blocking(calls.Payments.get)
    of_order = _blocking(calls.Payments.of_order)
    list = _iterating(calls.Payments.list)
    refunds = _iterating(calls.Payments.refunds)
    events = _iterating(calls.Payments.events)
    refund = _blocking(calls.Payments.refund)


class Customers(_Group):
    get = _blocking(calls.Customers.get)
    validate = _blocking(calls.Customers.validate)


class Users(_Group):
    register = _blocking(calls.Users.register)
    me = _blocking(calls.Users.me)


class DeadLetters(_Group):
    list = _iterating(calls.DeadLetters.list)
    get = _blocking(calls.DeadLetters.get)
    replay = _blocking(calls.DeadLetters.replay)


class Chaos(_Group):
    overview = _blocking(calls.Chaos.overview)
    get = _blocking(calls.Chaos.get)
    resilience = _blocking(calls.Chaos.resilience)
    gremlin = _blocking(calls.Chaos.gremlin)
    crash = _blocking(calls.Chaos.crash)
    errors = _blocking(calls.Chaos.errors)
    cut = _blocking(calls.Chaos.cut)
    failpoint = _blocking(calls.Chaos.failpoint)
    behaviour = _blocking(calls.Chaos.behaviour)
    stop = _blocking(calls.Chaos.stop)
    stop_all = _blocking(calls.Chaos.stop_all)


class Valerix:
    """One caller of one installation; may be shared by threads. Use it with `with`, or close it.

    `url`: address of the gateway, e.g. `http://127.0.0.1:8080`. Pass either `email` and `password`
    (the client signs in when needed, and again when the token has expired) or a `token`; without
    either only public calls work. Every attempt takes at most `timeout_seconds`. Requests that are
    safe to repeat are sent again for at most `retry_seconds` (see `client.session`). `ca_file`: PEM
    certificates to trust in addition to those that this machine trusts.
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
        self._http = transport.configured(
            SyncClientBuilder(), url, timeout_seconds, ca_file
        ).build()
        self._runner = runner = _Runner(session, url, self._http)
        self.orders = Orders(calls.Orders(session), runner)
        self.inventory = Inventory(calls.Inventory(session), runner)
        self.products = Products(calls.Products(session), runner)
        self.warehouses = Warehouses(calls.Warehouses(session), runner)
        self.payments = Payments(calls.Payments(session), runner)
        self.customers = Customers(calls.Customers(session), runner)
        self.users = Users(calls.Users(session), runner)
        self.dead_letters = DeadLetters(calls.DeadLetters(session), runner)
        self.chaos = Chaos(calls.Chaos(session), runner)

    def login(self, email: str, password: str) -> SignedIn:
        """Sign in; later calls are made as this user. Raises Unauthenticated."""
        return self._runner.run(self._session.login(email, password))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
