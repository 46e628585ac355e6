"""create_service(): one call turns a composition into a running service.

It gives every service the same edge (authorization, limits, problem documents, trace id, one log
line and metrics per request), `/health`, `/ready`, `/health/deep`, `/metrics`, `/openapi.json`,
background jobs and a graceful drain.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.types import Receive, Send

from valerix.chassis.base import telemetry
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Invalid, Problem, Problems
from valerix.chassis.base.rolling import RollingSums
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.base.tasks import Loops, Work
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.chassis.calls.recording import PersonTokens, no_recorder, recorder_at
from valerix.chassis.calls.revocations import Revocations, fetch_from
from valerix.chassis.chaos.injector import Injector
from valerix.chassis.chaos.routes import chaos_routes
from valerix.chassis.chaos.store import LocalStore
from valerix.chassis.chaos.use_cases import Chaos, Elsewhere, OpenedChaos, Recorder, open_chaos
from valerix.chassis.description import openapi
from valerix.chassis.http import edge, route_table
from valerix.chassis.http.authorization import Authorization
from valerix.chassis.http.dispatch import Dispatch
from valerix.chassis.http.health import Check, NotReady, health_routes, ready_route, refuse_schema
from valerix.chassis.http.raw import RawRoute
from valerix.chassis.http.resilience_routes import resilience_route
from valerix.chassis.http.sockets import SocketRoute
from valerix.chassis.identity.keys import LOOK_SECONDS
from valerix.chassis.identity.tokens import Principal, TokenIssuer
from valerix.chassis.limits.admission import Admission, Queue
from valerix.chassis.limits.origin import Origin
from valerix.chassis.postgres.database import SchemaTooNew
from valerix.chassis.semantics.methods import Methods
from valerix.contracts.acts import Actor

log = structlog.get_logger()
S = TypeVar("S", bound=ServiceSettings)


@dataclass
class ServiceParts:
    """The parts of a service, as its composition root provides them."""

    routes: Sequence[Any] = ()
    """Litestar handlers; each declares `access=` (contracts.roles)."""
    raw: Sequence[RawRoute] = ()
    sockets: Sequence[SocketRoute] = ()
    problems: Problems = field(default_factory=dict)
    """The problem of each domain error."""
    provides: Mapping[str, object] = field(default_factory=dict)
    """Parameters of handlers by name, e.g. the use cases."""
    essentials: Mapping[str, Check] = field(default_factory=dict)
    """The checks of readiness, by name. A check raises when its part cannot serve.

    Only parts that the service itself maintains.
    """
    reported: Mapping[str, Check] = field(default_factory=dict)
    """Shown beside the essentials, but the service is ready without them."""
    downstream: Sequence[HttpClient] = ()
    queues: Sequence[Queue] = ()
    """Where requests wait for work on them to begin.

    When the wait is too long, the service admits fewer.
    """
    responses: RollingSums | None = None
    """How long the callers of the main route waited, for `/api/v1/resilience`."""
    jobs: Sequence[Work] = ()
    """Run until shutdown. A failed job is logged, reported and started again."""
    spared: Sequence[str] = ()
    """Path prefixes that injected faults never affect: switching the faults off needs them."""
    faults_elsewhere: Sequence[Elsewhere] = ()
    """Services that store their faults themselves."""
    revocations: Revocations | None = None
    """Set by the service that keeps the sessions; the other services fetch the list from it."""
    recorder: Recorder | None = None
    """Set by the service that keeps the audit; the other services send their acts to it."""


Compose = Callable[[S, AsyncExitStack], Awaitable[ServiceParts]]


def create_service(name: str, settings: S, compose: Compose[S]) -> "Service":
    """The ASGI app of service `name`.

    `compose` opens its resources on the given stack when the app starts.
    """
    telemetry.configure_logging(name, settings.instance or name, settings.log_level)
    return Service(name, settings, compose)


class Service:
    """An ASGI app: its life from `compose` to the last closed resource.

    Dispatch serves the requests.
    """

    def __init__(self, name: str, settings: S, compose: Compose[S]) -> None:
        self.name = name
        self.settings: ServiceSettings = settings
        self._instance = settings.instance or name
        self.draining = False
        self._compose: Callable[[AsyncExitStack], Awaitable[ServiceParts]] = lambda stack: compose(
            settings, stack
        )
        self._admission = Admission(settings.max_in_flight, settings.admission_wait_seconds)
        self._authorization = Authorization(name, settings)
        self._dispatch = Dispatch(name, settings, self._authorization, self._admission)
        self._resources = AsyncExitStack()
        self._loops = Loops(_log_failure)

    def begin_drain(self) -> None:
        """Starts the drain: `/ready` answers 503 from now on, so that balancers stop sending.

        Requests are still served.
        """
        self.draining = True

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._dispatch.serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._dispatch.connect(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Any) -> None:
        await receive()
        try:
            await self._start()
        except SchemaTooNew as error:
            log.error("refused to start", error=str(error))  # noqa: TRY400 - no fault of this code
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        except Exception as error:
            log.exception("startup failed")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        log.info("ready to serve", port=self.settings.port)
        await receive()
        await self._resources.aclose()
        edge.write_lines()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        # First, so that metrics name the service's own client of users.
        followed = await self._open_revocations()
        recorder = await self._open_recorder()
        parts = await self._compose(self._resources)
        await refuse_schema(parts.essentials)
        edge.problem_types.update(parts.problems)
        opened = await self._open_chaos(parts, parts.recorder or recorder)
        revocations = parts.revocations or followed
        self._authorization.open(revocations)
        table: list[route_table.RouteEntry] = []
        reported = {**parts.reported, "jobs": self._check_jobs}
        raw = [
            *(*parts.raw, ready_route(self, parts.essentials, reported)),
            route_table.routes_route(table),
        ]
        app = self._litestar(parts, raw, reported, opened.chaos if opened else None)
        injector = opened.injector if opened else Injector(LocalStore(self.name, self.name), ())
        table += route_table.route_table(app, raw, parts.sockets)
        methods = Methods(
            (entry.method, entry.path) for entry in table if entry.method != route_table.SOCKET
        )
        self._dispatch.open(app, raw, parts.sockets, injector, methods)
        watch: Work = partial(self._admission.watch, parts.queues)
        jobs = [*parts.jobs, *([opened.job] if opened else [])]
        self._resources.push_async_callback(self._loops.close)
        for job in (*jobs, revocations.follow, self._look_again, watch):
            self._loops.start(_name_of(job), job)

    async def _open_chaos(self, parts: ServiceParts, recorder: Recorder) -> OpenedChaos | None:
        if self.settings.chaos != "enabled":
            return None
        dependencies = [client.dependency for client in parts.downstream]
        return await open_chaos(
            self.name,
            self._instance,
            self.settings.valkey_url,
            self.settings.faults_file,
            dependencies,
            parts.spared,
            recorder,
            parts.faults_elsewhere,
            self._resources,
        )

    async def _open_recorder(self) -> Recorder:
        if self.settings.chaos != "enabled" or not self.settings.users_url:
            return no_recorder
        client = HttpClient.open(
            "users", self.settings.users_url, Policy.of(self.settings), tokens=PersonTokens()
        )
        return recorder_at(await self._resources.enter_async_context(client))

    async def _check_jobs(self) -> None:
        if troubles := self._loops.troubles():
            raise NotReady("; ".join(troubles))

    async def _look_again(self) -> None:
        while True:
            self._dispatch.sockets.recheck()
            self._authorization.verifier.reread_keys()
            await asyncio.sleep(LOOK_SECONDS)

    async def _open_revocations(self) -> Revocations:
        if not self.settings.users_url or self.settings.signing_key_file is None:
            return Revocations()
        tokens = TokenIssuer(self.settings.signing_key_file)
        client = HttpClient.open(
            "users", self.settings.users_url, Policy.of(self.settings), tokens=tokens
        )
        return Revocations(fetch_from(await self._resources.enter_async_context(client)))

    def _litestar(
        self,
        parts: ServiceParts,
        raw: Sequence[RawRoute],
        reported: Mapping[str, Check],
        chaos: Chaos | None,
    ) -> Litestar:
        documents = [route.document for route in raw if route.document is not None]
        handlers = [
            *(*parts.routes, *documents),
            *chaos_routes(chaos, alone=self.settings.faults_file is not None),
            resilience_route(
                self.name, self._instance, parts.downstream, self._admission, parts.responses
            ),
            *health_routes(self, parts.essentials, reported, parts.downstream),
        ]
        for handler in handlers:
            if "access" not in handler.opt:
                raise TypeError(f"{handler} declares no access=")
            if handler.opt["access"]:
                handler.security = [openapi.BEARER]
        app = Litestar(
            route_handlers=handlers,
            dependencies={
                "principal": Provide(_principal, sync_to_thread=False),
                "deadline": Provide(self._deadline, sync_to_thread=False),
                "origin": Provide(self._origin, sync_to_thread=False),
                "actor": Provide(self._actor, sync_to_thread=False),
                "refusal": Provide(_refusal, sync_to_thread=False),
                **{name: _provide(value) for name, value in parts.provides.items()},
            },
            guards=[self._authorization.guard],
            exception_handlers={Exception: edge.litestar_problem},
            logging_config=None,
            openapi_config=openapi.config(self.name),
        )
        edge.note_parameters(app)
        return app

    def _origin(self, request: Request[Any, Any, Any]) -> Origin:
        return self._authorization.origin(request.scope)

    def _actor(self, request: Request[Any, Any, Any]) -> Actor | None:
        return self._authorization.actor(
            request.scope, dict(request.scope["headers"]), _principal(request)
        )

    def _deadline(self, request: Request[Any, Any, Any]) -> Deadline:
        return self._dispatch.deadline(dict(request.scope["headers"]))


def _principal(request: Request[Any, Any, Any]) -> Principal:
    principal = request.scope["principal"]  # type: ignore[typeddict-item]  # put there by the guard
    if not isinstance(principal, Principal):
        raise TypeError("a public route has no principal")
    return principal


def _refusal(request: Request[Any, Any, Any]) -> Invalid | None:
    # The guard has put it there.
    refusal: Invalid | None = dict(request.scope).get(edge.REFUSAL)  # type: ignore[assignment]
    return refusal


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _name_of(job: Work) -> str:
    function = job.func if isinstance(job, partial) else job
    return getattr(function, "__qualname__", str(function)).replace(".<locals>", "")


def _log_failure(job: str, error: BaseException) -> None:
    if isinstance(error, Problem):
        log.warning("job interrupted", job=job, error=error.detail)
    else:
        log.error("job failed", job=job, exc_info=error)
