"""What the provider does around the effect of a charge: where sandbox methods are slow or fail."""

import asyncio

from valerix.psp import domain
from valerix.psp.schemas import Charge, ChargeRequest

MAX_REMEMBERED = 10_000


class Behaviour:
    """`before` may wait or raise, and then there is no effect; `after` lies between the effect and its answer."""

    def __init__(self) -> None:
        self._failed_once: set[str] = set()

    async def before(self, request: ChargeRequest) -> None:
        """Raises ProviderFault on the first attempt of a flaky card."""
        if request.method == domain.FLAKY_METHOD and request.reference not in self._failed_once:
            if len(self._failed_once) >= MAX_REMEMBERED:
                self._failed_once.clear()
            self._failed_once.add(request.reference)
            raise domain.ProviderFault

    async def after(self, charge: Charge) -> None:
        if charge.method == domain.SLOW_METHOD:
            await asyncio.sleep(domain.SLOW_ANSWER_SECONDS)
