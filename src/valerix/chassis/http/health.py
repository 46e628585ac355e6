"""Health routes.

`/health` calls nothing, `/ready` names each essential and its state, `/health/deep` also calls the
services that this one depends on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol

import msgspec
import structlog
from litestar import Litestar, MediaType, Request, Response, get
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed, HttpClient
from valerix.chassis.description import openapi
from valerix.chassis.http import edge
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.chassis.postgres.database import Database, SchemaTooNew
from valerix.contracts.roles import PUBLIC

Check = Callable[[], Awaitable[None]]
CHECK_SECONDS = 2.0
log = structlog.get_logger()


class NotReady(Exception):
    """An essential cannot serve. The message says why, and what to do."""


class Drainable(Protocol):
    name: str
    draining: bool


class CheckResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one check."""

    status: str
    message: str | None = None


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The health of a service, and its checks by name.

    `status` is `ok`, `draining` or `unavailable`. Each check is `ok`, or `failed` with a message.
    """

    service: str
    status: str
    checks: dict[str, CheckResult] = {}


UNAVAILABLE: Final = {
    503: openapi.answer("An essential is missing, or the process is draining", Health)
}


def exposition(request: Request[Any, Any, Any], *registries: CollectorRegistry) -> Response[bytes]:
    """Answer with the metrics that the request names in `name[]`; without names, with all."""
    names = request.query_params.getall("name[]", [])
    texts = (
        generate_latest(registry.restricted_registry(names) if names else registry)
        for registry in registries
    )
    return Response(b"".join(texts), media_type=CONTENT_TYPE_LATEST)


def tables_present(database: Database, names: list[str]) -> Check:
    """A check that the database takes changes and has its tables."""

    async def check() -> None:
        if missing := await database.missing_tables(names):
            raise NotReady(f"tables missing: {', '.join(missing)}; run `valerix migrate`")

    return check


async def refuse_schema(essentials: Mapping[str, Check]) -> None:
    """Raises SchemaTooNew. Other failures do not prevent the start.

    Other missing parts may appear later; until then the process reports that it is not ready.
    """
    for check in essentials.values():
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except SchemaTooNew:
            raise
        except Exception as error:
            log.info("not ready yet", error=str(error) or type(error).__name__)


def health_routes(
    service: Drainable,
    essentials: Mapping[str, Check],
    reported: Mapping[str, Check],
    downstream: Sequence[HttpClient],
) -> list[Any]:
    """The routes of every service besides `/ready`, including its OpenAPI document."""

    @get("/health", access=PUBLIC, tags=["health"], sync_to_thread=False)
    def health() -> Health:
        """Report that the process is alive. It depends on nothing else."""
        return Health(service.name, "ok")

    @get("/health/deep", access=PUBLIC, tags=["health"], responses=UNAVAILABLE)
    async def deep() -> Response[Health]:
        """Report the readiness of this service and of the services it calls."""
        behind = {c.dependency: _asks(c) for c in downstream}
        health = _summary(service, await _run({**essentials, **reported, **behind}), {})
        return Response(health, status_code=_status_code(health))

    @get("/metrics", access=PUBLIC, include_in_schema=False, sync_to_thread=False)
    def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        """All metrics, or only those in `name[]`, for clients that poll every other second."""
        return exposition(request, REGISTRY)

    @cache  # building it blocks the loop for 45 ms
    def document(app: Litestar) -> bytes:
        return msgspec.json.encode(openapi.document(app, edge.problem_types))

    @get("/openapi.json", access=PUBLIC, include_in_schema=False, sync_to_thread=False)
    def description(request: Request[Any, Any, Any]) -> Response[bytes]:
        return Response(document(request.app), media_type=MediaType.JSON)

    return [health, deep, metrics, description]


def ready_route(
    service: Drainable, essentials: Mapping[str, Check], reported: Mapping[str, Check]
) -> RawRoute:
    """A raw route: gateway, launcher and console request it twice a second from every process.

    `reported`: parts that the service can lack for a while. They are shown, but do not make it
    unready.
    """

    async def ready(_: RawRequest) -> RawResponse:
        health = _summary(service, await _run(essentials), await _run(reported))
        return RawResponse(_status_code(health), msgspec.json.encode(health))

    return RawRoute("GET", "/ready", PUBLIC, ready, document=_document_ready)


@get("/ready", access=PUBLIC, tags=["health"], responses=UNAVAILABLE)
async def _document_ready() -> Health:
    """Report whether this replica can serve. The answer names each essential with its state."""
    raise NotImplementedError("the raw route answers this path")


def _summary(
    service: Drainable, checks: dict[str, CheckResult], reported: dict[str, CheckResult]
) -> Health:
    well = all(check.status == "ok" for check in checks.values())
    status = "draining" if service.draining else "ok" if well else "unavailable"
    return Health(service.name, status, checks | reported)


def _status_code(health: Health) -> int:
    return 200 if health.status == "ok" else 503


async def _run(checks: Mapping[str, Check]) -> dict[str, CheckResult]:
    results = await asyncio.gather(*map(_run_one, checks.values()))
    return dict(zip(checks, results, strict=True))


async def _run_one(check: Check) -> CheckResult:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return CheckResult("failed", f"no answer within {CHECK_SECONDS:.0f} s")
    except Exception as error:
        return CheckResult("failed", str(error))
    return CheckResult("ok")


def _asks(client: HttpClient) -> Check:
    async def check() -> None:
        status = await client.probe("/ready", Deadline.after(CHECK_SECONDS))
        if status != 200:
            raise CallFailed(client.dependency, f"answered {status}")

    return check
