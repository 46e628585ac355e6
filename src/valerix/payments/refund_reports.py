"""Reports of refunds by hand to orders.

A report is due with the refund, and is sent again until orders has noted it.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import structlog

from valerix.chassis.base import telemetry
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed, Unacceptable
from valerix.chassis.calls.peers import Peer
from valerix.chassis.chaos.points import Point
from valerix.chassis.concurrency.halves import by_halves
from valerix.chassis.postgres.database import Database
from valerix.contracts.commands import (
    NOTE_REFUNDS,
    NoteRefunds,
    RefundGiven,
    RefundNoted,
    RefundsNoted,
)
from valerix.payments.repository.refunds import RefundsRepository

log = structlog.get_logger()
REPORTED = Point("payments.refund.told")
_noted = msgspec.json.Decoder(RefundsNoted)


class RefundReports:
    """Reports refunds by hand to orders.

    `lease`: the time until a refund that was reported but not noted is reported again.
    """

    def __init__(
        self, database: Database, repository: RefundsRepository, orders: Peer, lease: timedelta
    ) -> None:
        self._database = database
        self._repository = repository
        self._orders = orders
        self._lease = lease

    async def report_due(self, limit: int) -> int:
        """Report the refunds that orders has not noted yet; return their number.

        While orders does not answer, they are due again after a lease.
        """
        telemetry.trace_id.set(telemetry.new_trace_id())
        due = await self._database.repeat(
            lambda tx: self._repository.claim_unreported_refunds(tx, limit, self._lease)
        )
        try:
            parts = await by_halves(due, self._report, (Unacceptable,))
        except CallFailed as failure:
            log.warning("refunds were not reported to orders", count=len(due), error=failure.reason)
            return len(due)
        await REPORTED.passed()
        noted = [
            one for _, outcome in parts if not isinstance(outcome, Exception) for one in outcome
        ]
        if settled := [one.refund_id for one in noted if one.settled]:
            await self._database.repeat(lambda tx: self._repository.mark_reported(tx, settled))
        return len(due)

    async def _report(self, given: Sequence[RefundGiven]) -> list[RefundNoted]:
        deadline = Deadline.after(self._lease.total_seconds())
        return (
            await self._orders.post(
                NOTE_REFUNDS, NoteRefunds(list(given)), _noted, deadline=deadline
            )
        ).outcomes
