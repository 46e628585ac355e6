"""The routes of a running service and their callers. Authorization is tested against this list."""

from collections.abc import Iterable
from typing import Final

import msgspec
from litestar import Litestar

from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.chassis.http.sockets import SocketRoute
from valerix.contracts.roles import ADMINS, Access

PATH: Final = "/internal/v1/routes"
SOCKET: Final = "WS"
"""The method of a WebSocket in the table."""


class RouteEntry(msgspec.Struct, frozen=True):
    """One route. `access`: the roles or services that may call it; empty for a public route."""

    method: str
    path: str
    access: list[str]


def route_table(
    app: Litestar, raw: Iterable[RawRoute], sockets: Iterable[SocketRoute]
) -> list[RouteEntry]:
    """Every route that answers.

    Litestar's own (OPTIONS, /schema) declare no access and are closed.
    """
    found: dict[tuple[str, str], Access] = {
        (route.method, route.path): route.access for route in raw
    }
    found |= {(SOCKET, socket.path): socket.access for socket in sockets}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if "access" in handler.opt:
                for method in handler.http_methods:
                    found.setdefault((method, route.path_format), handler.opt["access"])
    return [
        RouteEntry(method, path, access.names) for (method, path), access in sorted(found.items())
    ]


def routes_route(entries: list[RouteEntry]) -> RawRoute:
    """Serves the table. `entries` may be filled after this call."""

    async def answer(_: RawRequest) -> RawResponse:
        return RawResponse(200, msgspec.json.encode(entries))

    return RawRoute("GET", PATH, ADMINS, answer)
