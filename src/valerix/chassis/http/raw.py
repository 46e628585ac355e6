"""Raw ASGI routes for the hot path: fixed path, body bytes in, body bytes out.

The service does everything else.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from valerix.chassis.base import validation
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.identity.tokens import Principal
from valerix.contracts.acts import Actor
from valerix.contracts.roles import Access

JSON = b"application/json"
C = TypeVar("C")
A = TypeVar("A")


class RawRequest(NamedTuple):
    """One authorized request with its whole body."""

    body: bytes
    headers: list[tuple[bytes, bytes]]
    principal: Principal | None
    """None only on a public route."""
    deadline: Deadline
    actor: Actor | None = None
    """None for a customer."""

    def header(self, name: bytes) -> str | None:
        """The value of a header by its lower-case name; None when it is absent."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None


class RawResponse(NamedTuple):
    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()
    media_type: bytes = JSON


class RawRoute(NamedTuple):
    """A route that the service finds by exact match before all others.

    `document` is a Litestar handler with the same path. It only describes the route in the OpenAPI
    document.
    """

    method: str
    path: str
    access: Access
    handle: Callable[[RawRequest], Awaitable[RawResponse]]
    document: Any = None
    answered: Callable[[int, float], None] | None = None
    """Called with every answer: its status, and its duration in seconds."""


def command_route(
    path: str, access: Access, kind: type[C], use_case: Callable[[C, Deadline], Awaitable[A]]
) -> RawRoute:
    """An internal call with a list: decodes `kind`, runs the use case, encodes its result."""
    decoder, encoder = msgspec.json.Decoder(kind), msgspec.json.Encoder()

    async def handle(request: RawRequest) -> RawResponse:
        command = validation.decode(decoder, request.body)
        return RawResponse(200, encoder.encode(await use_case(command, request.deadline)))

    return RawRoute("POST", path, access, handle)
