"""HTTP in, use case, HTTP out. Raw, so that `/openapi.json` is the platform's here and not this process's own."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec
from litestar import Response, get

from valerix.chassis.raw import RawRequest, RawResponse, RawRoute
from valerix.console.files import POLICY, REVALIDATE
from valerix.console.schemas import Offer
from valerix.console.use_cases import Reference
from valerix.contracts.roles import PUBLIC

PAGES: Final = "/console/"
OFFER: Final = "/console/api/config"


def page_route(file: Traversable) -> Any:
    """The one page, at every address below PAGES: which of its pages is shown, it finds out itself."""
    content = file.read_bytes()
    headers = {"Content-Security-Policy": POLICY.decode(), "Cache-Control": REVALIDATE.decode()}

    @get([PAGES, PAGES + "{rest:path}"], access=PUBLIC, include_in_schema=False, sync_to_thread=False)
    def page() -> Response[bytes]:
        return Response(content, media_type="text/html; charset=utf-8", headers=headers)

    return page


def offer_route(offer: Offer) -> RawRoute:
    """What there is to show here; asked for before anybody has signed in."""
    body = msgspec.json.encode(offer)

    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(200, body, [(b"cache-control", b"no-store")])

    return RawRoute("GET", OFFER, PUBLIC, answer)


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
