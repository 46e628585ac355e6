"""The provider's behaviour around the effect of a request: sandbox methods and forced faults."""

import asyncio
from typing import Final

from valerix.chassis.chaos.points import Switch
from valerix.psp import domain
from valerix.psp.schemas import ChargeRequest, LedgerCharge

MAX_REMEMBERED = 10_000

DECLINE: Final = Switch("decline")
TIMEOUT_BEFORE: Final = Switch("timeout-before")
TIMEOUT_AFTER: Final = Switch("timeout-after")
ERROR_AFTER: Final = Switch("error-after")
RATE_LIMIT: Final = Switch("rate-limit")
STALL: Final = Switch("stall")


class ProviderBehaviour:
    """Delays and failures around the effect of a request.

    If `arrived` or `before` raises, the request had no effect; `after` runs between the effect and
    its answer.
    """

    def __init__(self, slow_seconds: float, stall_seconds: float) -> None:
        self._slow_seconds = slow_seconds
        self._stall_seconds = stall_seconds
        self._failed_once: set[str] = set()

    async def arrived(self) -> None:
        """Runs when any request of a merchant arrives. Raises MerchantRateLimited."""
        await STALL.hold(self._stall_seconds)
        if await RATE_LIMIT.is_on():
            raise domain.MerchantRateLimited

    async def before(self) -> None:
        """Runs before a request has an effect. Raises ProviderFault, after a delay."""
        if await TIMEOUT_BEFORE.hold(self._slow_seconds):
            raise domain.ProviderFault

    async def after(self) -> None:
        """Runs after the effect of a request. Raises AnswerLost."""
        await TIMEOUT_AFTER.hold(self._slow_seconds)
        if await ERROR_AFTER.is_on():
            raise domain.AnswerLost

    async def decline_reason(self, request: ChargeRequest) -> str | None:
        """Return the issuer's reason to decline; None if it does not."""
        forced = domain.FORCED_DECLINE if await DECLINE.is_on() else None
        return forced or domain.DECLINES.get(request.method)

    # --- sandbox methods

    async def before_charge(self, request: ChargeRequest) -> None:
        """Raises ProviderFault on the first attempt of a flaky card."""
        if request.method == domain.FLAKY_METHOD and request.reference not in self._failed_once:
            if len(self._failed_once) >= MAX_REMEMBERED:
                self._failed_once.clear()
            self._failed_once.add(request.reference)
            raise domain.ProviderFault

    async def after_charge(self, charge: LedgerCharge) -> None:
        """Delays the answer to a charge of a slow card."""
        if charge.method == domain.SLOW_METHOD:
            await asyncio.sleep(self._slow_seconds)
