"""The operations that a merchant can request.

No answer is sent before its effect is on disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog

from valerix.chassis.base.problems import Unavailable
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.batcher import Batcher
from valerix.contracts.errors import DomainError
from valerix.psp.behaviour import ProviderBehaviour
from valerix.psp.book import Book
from valerix.psp.ledger import Ledger
from valerix.psp.schemas import (
    CancelRequest,
    ChargeRequest,
    Charges,
    FindRequest,
    LedgerCharge,
    LedgerPage,
    LedgerRefund,
    ProviderRefundRequest,
    check_method,
)

log = structlog.get_logger()
T = TypeVar("T")
MAX_BATCH = 256
DECIDING = Point("psp.deciding")
WRITTEN = Point("psp.written")


class LedgerBroken(Unavailable):
    """The ledger cannot be written, so the request had no effect."""

    code = "ledger_broken"


class SimulatedProvider:
    """Serves one batch at a time: decides all requests, writes and syncs once, then answers all.

    Look-ups are part of the batch, so that no answer reports a charge that a crash could still
    undo.
    """

    def __init__(
        self, book: Book, ledger: Ledger, behaviour: ProviderBehaviour, writer: ThreadPoolExecutor
    ) -> None:
        self._book = book
        self._ledger = ledger
        self._behaviour = behaviour
        self._writer = writer
        self._broken = False
        self._counter: Batcher[Callable[[], Any], Any] = Batcher(
            self._serve, name="ledger", max_concurrent_batches=1, max_batch=MAX_BATCH
        )

    async def charge(self, request: ChargeRequest) -> tuple[LedgerCharge, bool]:
        """Return the charge, and whether this call made it. Raises Invalid, ReferenceReused."""
        check_method(request.method)
        await self._behaviour.arrived()
        await self._behaviour.before()
        await self._behaviour.before_charge(request)
        reason = await self._behaviour.decline_reason(request)
        charge, made = await self._decide(lambda: self._book.charge(request, reason))
        if made:
            await self._behaviour.after_charge(charge)
            await self._behaviour.after()
        return charge, made

    async def cancel(self, request: CancelRequest) -> LedgerCharge:
        """See Book.cancel."""
        await self._behaviour.arrived()
        return await self._decide(lambda: self._book.cancel(request))

    async def find(self, request: FindRequest) -> Charges:
        await self._behaviour.arrived()
        return Charges(await self._decide(lambda: self._book.find(request.references)))

    async def refund(self, request: ProviderRefundRequest) -> tuple[LedgerRefund, bool]:
        """See Book.refund."""
        await self._behaviour.arrived()
        await self._behaviour.before()
        refund, made = await self._decide(lambda: self._book.refund(request))
        if made:
            await self._behaviour.after()
        return refund, made

    async def ledger(self, after: int, limit: int) -> LedgerPage:
        """See Book.page."""
        return await self._decide(lambda: self._book.page(self._ledger.lines, after, limit))

    async def check_writable(self) -> None:
        """Check the ledger after a failed write. Raises LedgerBroken until a write succeeds."""
        if self._broken:
            await self._write(self._ledger.check)

    async def _decide(self, decision: Callable[[], T]) -> T:
        result: T = await self._counter.submit(decision)
        return result

    async def _serve(self, decisions: list[Callable[[], Any]]) -> Sequence[Any]:
        await DECIDING.passed()
        results = [_attempt(decision) for decision in decisions]
        if entries := self._book.take_unwritten():
            try:
                await self._write(partial(self._ledger.append, entries))
            except LedgerBroken:
                self._book.take_back(entries)
                raise
            await WRITTEN.passed()
        return results

    async def _write(self, work: Callable[[], None]) -> None:
        """Raises LedgerBroken."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, work)
        except OSError as error:
            self._broken = True
            log.warning("the ledger cannot be written", error=str(error))
            raise LedgerBroken("The ledger cannot be written at present") from error
        self._broken = False


def _attempt(decision: Callable[[], Any]) -> Any:
    try:
        return decision()
    except DomainError as refusal:
        return refusal
