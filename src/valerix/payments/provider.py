"""The payment provider's API, and its timeouts."""

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
"""Said about the request itself. All others (401, 429, 422 for a reference used twice …) are about us and can pass."""
PAUSES: Final = (0.2, 1.0, 2.0, 4.0)
"""After each attempt without a definite answer: times the back-off, times 0.5 to 1."""


class ProviderCalls(Protocol):
    """The provider's interface as it is called (HttpClient)."""

    async def post(self, path: str, body: msgspec.Struct, answer: "msgspec.json.Decoder[T]") -> T:
        """Raises CallFailed."""

    def may_retry(self) -> bool:
        """Whether a call may be repeated; counts as one repetition."""


class Rejected(Exception):
    """The provider will never do this; nothing was done."""


class Charge(msgspec.Struct, frozen=True, rename="camel"):
    """What the provider did under a reference."""

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
    """Every call is idempotent under its reference. All raise CallFailed while the outcome is not known."""

    def __init__(
        self,
        client: ProviderCalls,
        backoff_seconds: float = timeouts.DEFAULT.call_backoff_seconds,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`chance` in [0, 1) spreads load."""
        self._client = client
        self._backoff_seconds = backoff_seconds
        self._chance = chance

    async def charge(self, payment: Payment) -> Charge:
        """Charge the payment, or find what was done under its reference before. Raises Rejected."""
        request = _ChargeRequest(
            payment.provider_reference, payment.amount_minor or 0, payment.currency or "", payment.method or ""
        )
        return await self._call("/v1/charges", request, _charge)

    async def find(self, reference: str) -> Charge | None:
        """What was done under `reference`; None: nothing yet - but a request may still be on its way."""
        found = await self._call("/v1/charges/find", _FindRequest([reference]), _charges)
        return found.charges[0] if found.charges else None

    async def cancel(self, reference: str) -> Charge:
        """Forbid a charge for ever, or find the one that was made: after this nothing can change any more."""
        return await self._call("/v1/charges/cancel", _CancelRequest(reference), _charge)

    async def refund(self, refund: Refund, charge_reference: str) -> None:
        """Give money back. Raises Rejected."""
        request = _RefundRequest(refund.provider_reference, charge_reference, refund.amount_minor)
        await self._call("/v1/refunds", request, _refunded)

    async def until_definite(self, ask: Callable[[], Awaitable[T]], reference: str) -> T | None:
        """What `ask` found out, asked again after a pause while it does not know; None: it stays unknown for now.

        This is the one layer that repeats calls to the provider: it may have to ask differently the second time.
        """
        for pause in PAUSES:
            try:
                return await ask()
            except CallFailed as failure:
                log.warning("provider gave no definite answer", reference=reference, error=failure.reason)
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
