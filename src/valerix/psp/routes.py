"""HTTP in, use case, HTTP out.

Merchants authenticate with a shared secret, not with tokens of users.

POST /v1/charges         charge a reference once; 201 made now, 200 made before
POST /v1/charges/cancel  forbid a reference that was not charged
POST /v1/charges/find    known charges by reference
POST /v1/refunds         refund part of a charge; 201 made now, 200 made before
GET  /v1/ledger          everything, page by page, for audits
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import get
from litestar.params import Parameter

from valerix.chassis.base import validation
from valerix.chassis.base.problems import Unauthenticated
from valerix.chassis.http.raw import RawRequest, RawResponse, RawRoute
from valerix.contracts.roles import PUBLIC
from valerix.psp.schemas import (
    CancelRequest,
    ChargeRequest,
    FindRequest,
    LedgerPage,
    ProviderRefundRequest,
)
from valerix.psp.use_cases import SimulatedProvider

R = TypeVar("R")
Answer = tuple[int, msgspec.Struct]
DEFAULT_PAGE: Final = 1000
MAX_PAGE: Final = 10_000
_encode = msgspec.json.Encoder().encode


def routes(provider: SimulatedProvider, secret: str) -> list[RawRoute]:
    """Return the routes of the provider's API, which are closed without `secret`."""
    expected = f"Bearer {secret}".encode()

    def route(path: str, kind: type[R], answer: Callable[[R], Awaitable[Answer]]) -> RawRoute:
        decoder = msgspec.json.Decoder(kind)

        async def handle(request: RawRequest) -> RawResponse:
            _authenticate(request.header(b"authorization"), expected)
            status, body = await answer(validation.decode(decoder, request.body))
            return RawResponse(status, _encode(body))

        return RawRoute("POST", path, PUBLIC, handle)

    async def charge(request: ChargeRequest) -> Answer:
        charged, made = await provider.charge(request)
        return 201 if made else 200, charged

    async def cancel(request: CancelRequest) -> Answer:
        return 200, await provider.cancel(request)

    async def find(request: FindRequest) -> Answer:
        return 200, await provider.find(request)

    async def refund(request: ProviderRefundRequest) -> Answer:
        refunded, made = await provider.refund(request)
        return 201 if made else 200, refunded

    return [
        route("/v1/charges", ChargeRequest, charge),
        route("/v1/charges/cancel", CancelRequest, cancel),
        route("/v1/charges/find", FindRequest, find),
        route("/v1/refunds", ProviderRefundRequest, refund),
    ]


def ledger_route(provider: SimulatedProvider, secret: str) -> Any:
    """Return the route of the ledger: its charges, in the order of their arrival."""
    expected = f"Bearer {secret}".encode()

    @get("/v1/ledger", access=PUBLIC)
    async def ledger(
        authorization: Annotated[str | None, Parameter(header="Authorization")] = None,
        after: Annotated[int, Parameter(ge=0, description="`next` of the previous page")] = 0,
        limit: Annotated[int, Parameter(ge=1, le=MAX_PAGE)] = DEFAULT_PAGE,
    ) -> LedgerPage:
        _authenticate(authorization, expected)
        return await provider.ledger(after, limit)

    return ledger


def _authenticate(authorization: str | None, expected: bytes) -> None:
    if not hmac.compare_digest((authorization or "").encode("latin-1"), expected):
        raise Unauthenticated("Send the merchant's secret: Authorization: Bearer …")
