"""HTTP in, use case, HTTP out. Raw, so that `/openapi.json` is the platform's here and not this process's own."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from valerix.chassis.raw import RawRequest, RawResponse, RawRoute
from valerix.console.use_cases import Reference
from valerix.contracts.roles import PUBLIC


def reference_routes(reference: Reference, events: Reference, services: Iterable[str]) -> list[RawRoute]:
    """The merged descriptions of API and events, and the API of each service alone."""
    return [
        _document("/asyncapi.json", events.merged),
        _document("/openapi.json", reference.merged),
        *(_document(f"/openapi/{name}.json", partial(reference.of, name)) for name in services),
    ]


def redirect(path: str, target: str) -> RawRoute:
    """A temporary one: browsers must not remember it."""

    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(302, b"", [(b"location", target.encode()), (b"cache-control", b"no-store")])

    return RawRoute("GET", path, PUBLIC, answer)


def _document(path: str, read: Callable[[], Awaitable[bytes]]) -> RawRoute:
    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(200, await read(), [(b"cache-control", b"no-cache")])

    return RawRoute("GET", path, PUBLIC, answer)
