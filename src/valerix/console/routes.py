"""Routes of the console: HTTP in, use case, HTTP out.

The documents are raw routes, so that `/openapi.json` is the platform's and not this process's own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.params import Parameter

from valerix.chassis.base.problems import PAGE, FieldError, Invalid
from valerix.chassis.description import openapi
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.console import logs, problems
from valerix.console.files import POLICY, REVALIDATE
from valerix.console.gather import Gathering
from valerix.console.logs import LogPage, Wanted
from valerix.console.report import Span, span
from valerix.console.schemas import Features
from valerix.console.use_cases import Reference
from valerix.contracts import text as forms
from valerix.contracts.roles import PUBLIC, STAFF

PAGES: Final = "/console/"
SPANS: Final = (5, 15, 60)
Text = Annotated[str, Parameter(max_length=50)]
OFFER: Final = "/console/api/config"


def page_route(file: Traversable) -> Any:
    """The single-page application, at every address below PAGES.

    Its router picks the page to show.
    """
    content = file.read_bytes()
    headers = {"Content-Security-Policy": POLICY.decode(), "Cache-Control": REVALIDATE.decode()}

    @get(
        [PAGES, PAGES + "{rest:path}"], access=PUBLIC, include_in_schema=False, sync_to_thread=False
    )
    def page() -> Response[bytes]:
        return Response(content, media_type="text/html; charset=utf-8", headers=headers)

    return page


def offer_route(offer: Features) -> RawRoute:
    """The features of this installation; requested before sign-in."""
    body = msgspec.json.encode(offer)

    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(200, body, [(b"cache-control", b"no-store")])

    return RawRoute("GET", OFFER, PUBLIC, answer)


def reference_routes(
    reference: Reference, events: Reference, services: Iterable[str]
) -> list[RawRoute]:
    """The merged descriptions of API and events, and the description of each service."""
    return [
        _document("/asyncapi.json", events.merged),
        _document("/openapi.json", reference.merged),
        _problems(reference),
        *(_document(f"/openapi/{name}.json", partial(reference.of, name)) for name in services),
    ]


@get("/console/api/history", access=STAFF, include_in_schema=False, sync_to_thread=False)
def get_history(gathering: Gathering, minutes: Annotated[int, Parameter(ge=5, le=60)] = 15) -> Span:
    """The last 5, 15 or 60 minutes of every process; the feed continues them live."""
    if minutes not in SPANS:
        message = f"Expected one of: {', '.join(map(str, SPANS))}"
        raise Invalid(message, [FieldError("/minutes", message)])
    return span(gathering, minutes)


def logs_route(folder: Path) -> Any:
    """The log lines of all processes, where this process can read their files."""

    @get(logs.PATH, access=STAFF, include_in_schema=False)
    async def get_logs(
        level: logs.Level = "info",
        service: Text = "",
        trace_id: Annotated[str, Parameter(query="traceId", pattern=forms.PART_OF_TRACE_ID)] = "",
        text: Annotated[str, Parameter(query="q", max_length=100)] = "",
        requests: bool = True,
        console: bool = False,
        after: Annotated[str, Parameter(max_length=4000)] = "",
    ) -> LogPage:
        """The latest lines, or the lines since `after`: the `position` of an earlier answer."""
        wanted = Wanted(level, service, trace_id, text, requests, console)
        return await asyncio.to_thread(logs.read, folder, wanted, after)

    return get_logs


def redirect(path: str, target: str) -> RawRoute:
    """A temporary redirect, which browsers must not remember."""

    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(
            302, b"", [(b"location", target.encode()), (b"cache-control", b"no-store")]
        )

    return RawRoute("GET", path, PUBLIC, answer)


def _problems(reference: Reference) -> RawRoute:
    headers = [(b"cache-control", REVALIDATE), (b"content-security-policy", POLICY)]

    async def answer(_: RawRequest) -> RawResponse:
        own = {
            each["code"]: each for each in (*openapi.problem_kinds({}), *await reference.problems())
        }
        body = problems.page([own[code] for code in sorted(own)])
        return RawResponse(200, body, headers, b"text/html; charset=utf-8")

    return RawRoute("GET", PAGE, PUBLIC, answer)


def _document(path: str, read: Callable[[], Awaitable[bytes]]) -> RawRoute:
    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(200, await read(), [(b"cache-control", b"no-cache")])

    return RawRoute("GET", path, PUBLIC, answer)
