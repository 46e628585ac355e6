"""Serves one request or WebSocket, from its first byte to its log line.

Raw routes are found by exact match; Litestar serves all others.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Send

from valerix.chassis.base import telemetry
from valerix.chassis.base.deadline import HEADER as DEADLINE_HEADER
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import MethodNotAllowed, NotFound
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.chaos.injector import Injector
from valerix.chassis.chaos.points import ReplyDropped
from valerix.chassis.http import edge
from valerix.chassis.http.authorization import Authorization
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.chassis.http.sockets import OpenSockets, Socket, SocketRoute
from valerix.chassis.limits.admission import Admission
from valerix.chassis.semantics.methods import CrossOrigin, Methods
from valerix.chassis.semantics.reading import Reading

READING: Final = ("GET", "HEAD")


class Dispatch:
    """Routes requests and WebSockets. Call `open` before the first request."""

    injector: Injector
    sockets: OpenSockets
    _litestar: ASGIApp
    _methods: Methods

    def __init__(
        self,
        service: str,
        settings: ServiceSettings,
        authorization: Authorization,
        admission: Admission,
    ) -> None:
        self._service = service
        self._settings = settings
        self._authorization = authorization
        self._admission = admission
        self._cross_origin = CrossOrigin(settings.cors_origins)
        self._raw: dict[tuple[str, str], RawRoute] = {}
        self._socket_routes: dict[str, SocketRoute] = {}

    def open(
        self,
        litestar: ASGIApp,
        raw: Sequence[RawRoute],
        sockets: Sequence[SocketRoute],
        injector: Injector,
        methods: Methods,
    ) -> None:
        """Serves these routes from now on."""
        self._litestar = litestar
        self._raw = {(route.method, route.path): route for route in raw}
        self._socket_routes = {route.path: route for route in sockets}
        self.injector = injector
        self._methods = methods
        self.sockets = OpenSockets(self._authorization.verifier)

    async def connect(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serves one WebSocket, from its handshake to its end."""
        telemetry.trace_id.set(telemetry.new_trace_id())
        socket = Socket(scope, receive, send, self.sockets)
        try:
            self._authorization.admit(scope, dict(scope["headers"]), None)
            route = self._socket_routes.get(scope["path"])
            if route is None:
                raise NotFound("Not found")  # noqa: TRY301 - handled like every other refusal
            route.let_in(socket, self._authorization.verifier)
            await route.handle(socket)
        except Exception as error:
            if socket.accepted:
                raise
            await socket.refuse(error)

    async def serve(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serves one request. Whatever happens, it is answered, counted and logged."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        trace = telemetry.parse_traceparent(headers.get(b"traceparent", b"").decode("latin-1"))
        trace = trace or telemetry.new_trace_id()
        token = telemetry.trace_id.set(trace)
        method = scope["method"]
        writer = edge.ResponseWriter(
            send, trace, Reading(method, headers) if method in READING else None
        )
        writer.headers += self._cross_origin.headers(headers)
        scope = _as_routed(scope)
        scope["valerix_headers"] = writer.headers
        armed = self.injector.armed
        self._admission.in_flight += 1
        route = self._raw.get((scope["method"], scope["path"]))
        try:
            self._admission.check(scope["path"])
            if route is None and (options := self._check_method(scope, headers)):
                await writer.respond(options)
                return
            if armed:
                await self.injector.before_work(scope["path"])
            edge.refuse_text(scope)
            if route is not None:
                response = await self._handle_raw(route, scope, headers, receive)
                if armed:
                    await self.injector.before_reply(
                        scope["method"], scope["path"], response.status
                    )
                await writer.respond(response)
            else:
                body = scope[edge.BODY] = edge.Body(
                    scope, headers, receive, self._settings.max_body_bytes
                )
                app = self.injector.around(self._litestar) if armed else self._litestar
                await app(scope, body.receive, writer.send)
        except ReplyDropped:
            await writer.drop(scope, receive)
        except Exception as error:
            await writer.respond_problem(error)
        finally:
            self._admission.in_flight -= 1
            endpoint = route.path if route else scope.get("path_template") or "unmatched"
            seconds = edge.record(self._service, method, endpoint, writer.status, started, trace)
            if route is not None and route.answered is not None:
                route.answered(writer.status, seconds)
            telemetry.trace_id.reset(token)

    def _check_method(self, scope: Any, headers: Mapping[bytes, bytes]) -> RawResponse | None:
        """The answer to OPTIONS; None for other methods. Raises MethodNotAllowed.

        The methods of a path are no secret, but the request counts towards the limits.
        """
        allowed = self._methods.allowed(scope["path"])
        if scope["method"] != "OPTIONS":
            if allowed and scope["method"] not in allowed:
                raise MethodNotAllowed(allowed)
            return None
        self._authorization.admit(scope, headers, None)
        if not allowed:
            raise NotFound("Not found")
        preflight = self._cross_origin.preflight(headers, allowed)
        return RawResponse(204, b"", [(b"allow", ", ".join(allowed).encode()), *preflight])

    async def _handle_raw(
        self, route: RawRoute, scope: Any, headers: dict[bytes, bytes], receive: Receive
    ) -> RawResponse:
        principal = self._authorization.authorize(scope, headers, route.access)
        edge.refuse_unknown(scope, frozenset())
        body = await edge.read_body(scope, headers, receive, self._settings.max_body_bytes)
        actor = self._authorization.actor(scope, headers, principal)
        return await route.handle(
            RawRequest(body, scope["headers"], principal, self.deadline(headers), actor)
        )

    def deadline(self, headers: Mapping[bytes, bytes]) -> Deadline:
        """The deadline of the caller, at most that of this service."""
        raw = headers.get(DEADLINE_HEADER.encode(), b"")
        longest = self._settings.deadline_seconds
        known = raw.isdigit() and len(raw) <= edge.MAX_DIGITS
        return Deadline.after(min(int(raw) / 1000, longest) if known else longest)


def _as_routed(scope: Any) -> Any:
    """Maps HEAD to the route of GET, and removes a trailing slash.

    With and without the slash it is the same request, also for its idempotency key.
    """
    if scope["path"][-1:] == "/" and scope["path"].startswith(edge.API):
        scope["path"] = scope["path"].rstrip("/")
    # A copy, because the server reads the method from its own scope.
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
