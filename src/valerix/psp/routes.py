"""HTTP in, use case, HTTP out. Merchants authenticate with a shared secret, not with our tokens.

POST /v1/charges         charge a reference once; 201 made now, 200 made before
POST /v1/charges/cancel  forbid a reference that was not charged
POST /v1/charges/find    charges by reference, as many of them as are known
POST /v1/refunds         give back part of a charge; 201 made now, 200 made before
GET  /v1/ledger          everything, for audits
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from valerix.chassis import validation
from valerix.chassis.problems import Unauthenticated
from valerix.chassis.raw import RawRequest, RawResponse, RawRoute
from valerix.contracts.roles import PUBLIC
from valerix.psp.schemas import CancelRequest, ChargeRequest, FindRequest, RefundRequest
from valerix.psp.use_cases import Provider

R = TypeVar("R")
Answer = tuple[int, msgspec.Struct]
_encode = msgspec.json.Encoder().encode


def routes(provider: Provider, secret: str) -> list[RawRoute]:
    """The provider's API, closed to everyone without `secret`."""
    expected = f"Bearer {secret}".encode()

    def route(path: str, kind: type[R], answer: Callable[[R], Awaitable[Answer]]) -> RawRoute:
        decoder = msgspec.json.Decoder(kind)

        async def handle(request: RawRequest) -> RawResponse:
            _authenticate(request, expected)
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

    async def refund(request: RefundRequest) -> Answer:
        refunded, made = await provider.refund(request)
        return 201 if made else 200, refunded

    async def ledger(request: RawRequest) -> RawResponse:
        _authenticate(request, expected)
        return RawResponse(200, _encode(await provider.summary()))

    return [
        route("/v1/charges", ChargeRequest, charge),
        route("/v1/charges/cancel", CancelRequest, cancel),
        route("/v1/charges/find", FindRequest, find),
        route("/v1/refunds", RefundRequest, refund),
        RawRoute("GET", "/v1/ledger", PUBLIC, ledger),
    ]


def _authenticate(request: RawRequest, expected: bytes) -> None:
    given = (request.header(b"authorization") or "").encode("latin-1")
    if not hmac.compare_digest(given, expected):
        raise Unauthenticated("Send the merchant's secret: Authorization: Bearer …")
