"""create_service(): one call turns a composition into a running service.

It gives every service the same door (authorization, limits, problem documents, trace id, one log line and metrics per
request), `/health`, `/ready`, `/health/deep`, `/metrics`, `/openapi.json`, background jobs and a graceful drain.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.types import ASGIApp, Receive, Send

from valerix.chassis import door, openapi, resilience, route_table, telemetry
from valerix.chassis.admission import UNSHED, Admission, Queue
from valerix.chassis.auth import LOOK_SECONDS, SERVICE_ROLE, KeyRing, Principal, TokenIssuer, Verifier, require
from valerix.chassis.chaos.injector import Injector
from valerix.chassis.chaos.points import ReplyDropped
from valerix.chassis.chaos.routes import chaos_routes
from valerix.chassis.chaos.store import MemoryStore
from valerix.chassis.chaos.use_cases import Chaos, open_chaos
from valerix.chassis.health import Check, health_routes, ready_route
from valerix.chassis.http_client import HttpClient
from valerix.chassis.origin import Origin, address_of, origin_of
from valerix.chassis.problems import NotFound, Problem
from valerix.chassis.rate_limit import RequestLimits
from valerix.chassis.raw import RawRequest, RawResponse, RawRoute
from valerix.chassis.resilience import Deadline
from valerix.chassis.resilience_routes import resilience_route
from valerix.chassis.revocations import Revocations, fetch_from
from valerix.chassis.rolling import RollingSums
from valerix.chassis.settings import ServiceSettings
from valerix.chassis.sockets import OpenSockets, Socket, SocketRoute
from valerix.chassis.tasks import being_cancelled

log = structlog.get_logger()
S = TypeVar("S", bound=ServiceSettings)
JOB_RESTART_SECONDS = 1.0


@dataclass
class Parts:
    """What a composition root hands over."""

    routes: Sequence[Any] = ()
    """Litestar handlers; each declares `access=` (contracts.roles)."""
    raw: Sequence[RawRoute] = ()
    sockets: Sequence[SocketRoute] = ()
    provides: Mapping[str, object] = field(default_factory=dict)
    """Parameters of handlers by name, e.g. the use cases."""
    essentials: Mapping[str, Check] = field(default_factory=dict)
    """What readiness means, by name: a check raises when its part cannot serve."""
    reported: Mapping[str, Check] = field(default_factory=dict)
    """Shown beside the essentials, but the service is ready without them."""
    downstream: Sequence[HttpClient] = ()
    queues: Sequence[Queue] = ()
    """Where requests wait for work on them to begin; when that takes too long, fewer are let in."""
    responses: RollingSums | None = None
    """How long the callers of the main route waited, for `/api/v1/resilience`."""
    jobs: Sequence[Callable[[], Awaitable[None]]] = ()
    """Run until shutdown; one that fails is logged and started again."""
    spared: Sequence[str] = ()
    """Beginnings of paths that injected faults leave alone, because switching them off needs these."""
    revocations: Revocations | None = None
    """Of the service that keeps the sessions; the others ask it."""


Compose = Callable[[S, AsyncExitStack], Awaitable[Parts]]


def create_service(name: str, settings: S, compose: Compose[S]) -> "Service":
    """The ASGI app of service `name`; `compose` opens its resources on the given stack when the app starts."""
    telemetry.configure_logging(name, settings.instance or name, settings.log_level)
    return Service(name, settings, compose)


class Service:
    """An ASGI app: raw routes and WebSockets by exact match, everything else by Litestar."""

    def __init__(self, name: str, settings: S, compose: Compose[S]) -> None:
        self.name = name
        self.settings: ServiceSettings = settings
        self._instance = settings.instance or name
        self.draining = False
        self._compose: Callable[[AsyncExitStack], Awaitable[Parts]] = lambda stack: compose(settings, stack)
        self._injector = Injector(MemoryStore(name, name), ())
        self._keys = KeyRing(settings.keys_file)
        self._verifier: Verifier
        self._limits = RequestLimits(per_address=settings.address_limit, per_user=settings.user_limit)
        self._admission = Admission(settings.max_in_flight, settings.door_patience_seconds)
        self._raw: dict[tuple[str, str], RawRoute] = {}
        self._socket_routes: dict[str, SocketRoute] = {}
        self._sockets: OpenSockets
        self._litestar: ASGIApp
        self._resources = AsyncExitStack()

    def begin_drain(self) -> None:
        """From now on `/ready` answers 503, so that balancers stop sending; requests are still served."""
        self.draining = True

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._connect(Socket(scope, receive, send, self._sockets))

    async def _connect(self, socket: Socket) -> None:
        """One WebSocket, from its handshake to its end."""
        telemetry.trace_id.set(telemetry.new_trace_id())
        try:
            self._admit(socket.scope, dict(socket.scope["headers"]), None)
            route = self._socket_routes.get(socket.scope["path"])
            if route is None:
                raise NotFound("Not found")  # noqa: TRY301 - answered like every other refusal
            route.let_in(socket, self._verifier)
            await route.handle(socket)
        except Exception as error:
            if socket.accepted:
                raise
            await socket.refuse(error)

    # --- one request

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = dict(scope["headers"])
        trace = telemetry.parse_traceparent(headers.get(b"traceparent", b"").decode("latin-1"))
        trace = trace or telemetry.new_trace_id()
        token = telemetry.trace_id.set(trace)
        exchange = door.Exchange(send, trace)
        scope["valerix_headers"] = exchange.headers
        armed = self._injector.armed
        self._admission.in_flight += 1
        route = self._raw.get((scope["method"], scope["path"]))
        try:
            self._admission.check(scope["path"])
            if armed:
                await self._injector.before_work(scope["path"])
            door.refuse_nul(scope)
            if route is not None:
                response = await self._handle_raw(route, scope, headers, receive)
                if armed:
                    await self._injector.before_reply(scope["method"], scope["path"], response.status)
                await exchange.respond(response)
            else:
                replayed = await door.with_body(scope, headers, receive, self.settings.max_body_bytes)
                app = self._injector.around(self._litestar) if armed else self._litestar
                await app(scope, replayed, exchange.send)
        except ReplyDropped:
            await exchange.drop(scope, receive)
        except Exception as error:
            await exchange.respond_problem(error)
        finally:
            self._admission.in_flight -= 1
            endpoint = route.path if route else scope.get("path_template") or "unmatched"
            seconds = door.record(self.name, scope["method"], endpoint, exchange.status, started, trace)
            if route is not None and route.answered is not None:
                route.answered(exchange.status, seconds)
            telemetry.trace_id.reset(token)

    async def _handle_raw(
        self, route: RawRoute, scope: Any, headers: dict[bytes, bytes], receive: Receive
    ) -> RawResponse:
        principal = self._authorize(scope, headers, route.access)
        body = await door.read_body(scope, headers, receive, self.settings.max_body_bytes)
        return await route.handle(RawRequest(body, scope["headers"], principal, self._deadline(headers)))

    def _authorize(self, scope: Any, headers: Mapping[bytes, bytes], access: frozenset[str]) -> Principal | None:
        """Raises Unauthenticated, CsrfTokenMissing, Forbidden, RateLimited; bad tokens are counted, too."""
        if not access:
            self._admit(scope, headers, None)
            return None
        try:
            principal = self._verifier.authenticate(headers, scope.get("method", "GET"))
        except Problem:
            self._admit(scope, headers, None)
            raise
        if principal.role != SERVICE_ROLE:
            self._admit(scope, headers, principal.subject)
        elif principal.on_behalf_of is not None:
            person = principal.on_behalf_of.subject
            log.info("done for somebody", caller=principal.subject, on_behalf_of=person, endpoint=scope["path"])
        require(principal, access)
        return principal

    def _admit(self, scope: Any, headers: Mapping[bytes, bytes], subject: str | None) -> None:
        if not scope["path"].startswith(UNSHED):
            address = address_of(scope, headers, self.settings.proxies)
            scope.setdefault("valerix_headers", []).extend(self._limits.admit(address, subject))

    # --- start and stop

    async def _lifespan(self, receive: Receive, send: Any) -> None:
        await receive()
        try:
            await self._start()
        except Exception as error:
            log.exception("startup failed")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        log.info("ready to serve", port=self.settings.port)
        await receive()
        await self._resources.aclose()
        door.write_lines()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        asked = await self._ask_for_revocations()  # first, so that metrics name the service's own client of users
        parts = await self._compose(self._resources)
        chaos, jobs = await self._open_chaos(parts)
        revocations = parts.revocations or asked
        self._verifier = Verifier(self._keys, self.name, revocations)
        self._sockets = OpenSockets(self._verifier)
        self._socket_routes = {route.path: route for route in parts.sockets}
        table: list[route_table.RouteEntry] = []
        raw = [
            *(*parts.raw, ready_route(self, parts.essentials, parts.reported)),
            route_table.routes_route(frozenset({SERVICE_ROLE}), table),
        ]
        self._raw = {(route.method, route.path): route for route in raw}
        self._litestar = app = self._build(parts, chaos)
        table += route_table.route_table(app, raw, parts.sockets)
        watch: Callable[[], Awaitable[None]] = partial(self._admission.watch, parts.queues)
        for job in (*parts.jobs, *jobs, revocations.follow, self._look_again, watch):
            task = asyncio.create_task(_keep_running(job))
            self._resources.push_async_callback(_cancel, task)

    async def _open_chaos(self, parts: Parts) -> tuple[Chaos | None, Sequence[Callable[[], Awaitable[None]]]]:
        if self.settings.chaos != "enabled":
            return None, ()
        dependencies = [client.dependency for client in parts.downstream]
        opened = await open_chaos(
            self.name, self._instance, self.settings.valkey_url, dependencies, parts.spared, self._resources
        )
        self._injector = opened.injector
        return opened.chaos, (opened.job,)

    async def _look_again(self) -> None:
        while True:
            self._sockets.recheck()
            self._verifier.reread_keys()
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask_for_revocations(self) -> Revocations:
        if not self.settings.users_url or self.settings.signing_key_file is None:
            return Revocations()
        tokens = TokenIssuer(self.settings.signing_key_file)
        client = HttpClient.open("users", self.settings.users_url, self.settings.calls(), tokens=tokens)
        return Revocations(fetch_from(await self._resources.enter_async_context(client)))

    def _build(self, parts: Parts, chaos: Chaos | None) -> Litestar:
        documents = [route.document for route in self._raw.values() if route.document is not None]
        handlers = [
            *(*parts.routes, *documents),
            *chaos_routes(chaos),
            resilience_route(self.name, self._instance, parts.downstream, self._admission, parts.responses),
            *health_routes(self, parts.essentials, parts.reported, parts.downstream),
        ]
        for handler in handlers:
            if "access" not in handler.opt:
                raise TypeError(f"{handler} declares no access=")
            if handler.opt["access"]:
                handler.security = [openapi.BEARER]
        return Litestar(
            route_handlers=handlers,
            dependencies={
                "principal": Provide(_principal, sync_to_thread=False),
                "deadline": Provide(self._request_deadline, sync_to_thread=False),
                "origin": Provide(self._origin, sync_to_thread=False),
                **{name: _provide(value) for name, value in parts.provides.items()},
            },
            guards=[self._guard],
            exception_handlers={Exception: door.litestar_problem},
            logging_config=None,
            openapi_config=openapi.config(self.name),
        )

    def _origin(self, request: Request[Any, Any, Any]) -> Origin:
        return origin_of(request.scope, dict(request.scope["headers"]), self.settings.proxies)

    def _request_deadline(self, request: Request[Any, Any, Any]) -> Deadline:
        return self._deadline(dict(request.scope["headers"]))

    def _deadline(self, headers: Mapping[bytes, bytes]) -> Deadline:
        """The caller's remaining time, never more than our own."""
        raw = headers.get(resilience.HEADER.encode(), b"")
        longest = self.settings.deadline_seconds
        return Deadline.after(min(int(raw) / 1000, longest) if raw.isdigit() else longest)

    async def _guard(self, connection: Any, handler: Any) -> None:
        """Every route is closed unless it says otherwise; only then does its body matter.

        A coroutine that awaits nothing: Litestar would run a plain function in a thread.
        """
        if "access" not in handler.opt:  # one of Litestar's own
            raise NotFound("Not found")
        access: frozenset[str] = handler.opt["access"]
        headers = dict(connection.scope["headers"])
        connection.scope["principal"] = self._authorize(connection.scope, headers, access)
        if handler.parsed_data_field is not None:
            door.check_body(connection.scope, handler.parsed_data_field.annotation)


def _principal(request: Request[Any, Any, Any]) -> Principal:
    principal = request.scope["principal"]  # type: ignore[typeddict-item]  # put there by the guard
    if not isinstance(principal, Principal):
        raise TypeError("a public route has no principal")
    return principal


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


async def _keep_running(job: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await job()
        except Problem as problem:
            log.warning("job interrupted", job=getattr(job, "__qualname__", str(job)), error=problem.detail)
        except (Exception, asyncio.CancelledError):
            if being_cancelled():
                raise
            log.exception("job failed", job=getattr(job, "__qualname__", str(job)))
        await asyncio.sleep(JOB_RESTART_SECONDS)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
