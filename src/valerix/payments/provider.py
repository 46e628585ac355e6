"""Calls of the payment provider's API, their timeouts and repetitions."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import msgspec
import structlog

from valerix.chassis.base import timeouts
from valerix.chassis.calls.client import CallFailed, Refused, Withheld
from valerix.contracts.states import ChargeStatus
from valerix.payments import metrics
from valerix.payments.domain import Payment, Refund

log = structlog.get_logger()
T = TypeVar("T")
FINAL_REFUSALS = frozenset({400, 404, 409})
"""Statuses that concern the request itself. All others (401, 429, 422 for a reference used twice …)
concern this service and may change.
"""
PAUSES: Final = (0.2, 1.0, 2.0, 4.0)
"""Pauses after each attempt without a definite answer: times the back-off, times 0.5 to 1."""


class ProviderCalls(Protocol):
    """The interface through which the provider is called (HttpClient)."""

    async def post(self, path: str, body: msgspec.Struct, answer: "msgspec.json.Decoder[T]") -> T:
        """Send the body, and return the decoded answer. Raises CallFailed."""

    def may_retry(self) -> bool:
        """Whether a call may be repeated. If so, the retry is taken from the budget."""


class Rejected(Exception):
    """The provider refused the request for good; nothing was done."""


class Charge(msgspec.Struct, frozen=True, rename="camel"):
    """The state of a charge at the provider, under one reference."""

    reference: str
    status: ChargeStatus
    amount_minor: int = 0
    currency: str = ""
    reason: str | None = None


class _Charges(msgspec.Struct, frozen=True):
    charges: list[Charge]


class _ChargeRequest(msgspec.Struct, frozen=True, rename="camel"):
    reference: str
    amount_minor: int
    currency: str
    method: str


class _FindRequest(msgspec.Struct, frozen=True):
    references: list[str]


class _CancelRequest(msgspec.Struct, frozen=True):
    reference: str


class _RefundRequest(msgspec.Struct, frozen=True, rename="camel"):
    reference: str
    charge_reference: str
    amount_minor: int


class _Refunded(msgspec.Struct, frozen=True):
    reference: str


_charge = msgspec.json.Decoder(Charge)
_charges = msgspec.json.Decoder(_Charges)
_refunded = msgspec.json.Decoder(_Refunded)


class Provider:
    """Calls the provider. Every call is idempotent under its reference.

    All methods raise CallFailed while the outcome is not known.
    """

    def __init__(
        self,
        client: ProviderCalls,
        backoff_seconds: float = timeouts.DEFAULT.call_backoff_seconds,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` returns a number in [0, 1); it spreads the load of repetitions."""
        self._client = client
        self._backoff_seconds = backoff_seconds
        self._chance = chance

    async def charge(self, payment: Payment) -> Charge:
        """Charge the payment, or find the earlier charge under its reference. Raises Rejected."""
        request = _ChargeRequest(
            payment.provider_reference,
            payment.amount_minor or 0,
            payment.currency or "",
            payment.method or "",
        )
        return await self._call("/v1/charges", request, _charge)

    async def find(self, reference: str) -> Charge | None:
        """The charge under `reference`. None: no charge yet, but a request may be under way."""
        found = await self._call("/v1/charges/find", _FindRequest([reference]), _charges)
        return found.charges[0] if found.charges else None

    async def cancel(self, reference: str) -> Charge:
        """Forbid a charge forever, or find the charge that was made. Nothing changes after this."""
        return await self._call("/v1/charges/cancel", _CancelRequest(reference), _charge)

    async def refund(self, refund: Refund, charge_reference: str) -> None:
        """Refund part or all of a charge. Raises Rejected."""
        request = _RefundRequest(refund.provider_reference, charge_reference, refund.amount_minor)
        await self._call("/v1/refunds", request, _refunded)

    async def until_definite(self, ask: Callable[[], Awaitable[T]], reference: str) -> T | None:
        """The result of `ask`, repeated after a pause while the outcome is not known.

        None: the outcome stays unknown for now. This is the only layer that repeats calls to the
        provider, because the second call may have to differ from the first.
        """
        for pause in PAUSES:
            try:
                return await ask()
            except CallFailed as failure:
                log.warning(
                    "provider gave no definite answer", reference=reference, error=failure.reason
                )
                if isinstance(failure, Withheld) or not self._client.may_retry():
                    return None
                wanted = failure.retry_after_seconds
            seconds = pause * self._backoff_seconds * (0.5 + self._chance() / 2)
            await asyncio.sleep(wanted + seconds)
        return None

    async def _call(self, path: str, body: msgspec.Struct, answer: "msgspec.json.Decoder[T]") -> T:
        try:
            with metrics.gateway_latency.time():
                return await self._client.post(path, body, answer)
        except Refused as refusal:
            if refusal.status in FINAL_REFUSALS:
                raise Rejected(refusal.reason) from refusal
            raise
