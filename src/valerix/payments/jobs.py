"""Periodic work of the payments service. Any number of replicas share it."""

import asyncio

from valerix.payments.refund_reports import RefundReports
from valerix.payments.use_cases import PaymentsUseCases

BATCH = 256
PAUSE_SECONDS = 1.0


async def resolve(payments: PaymentsUseCases) -> None:
    """Find the outcome of payments and refunds that a crash or an outage left without one."""
    while True:
        if await payments.resolve_due(BATCH) < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)


async def report_refunds(reports: RefundReports) -> None:
    """Report refunds by hand to orders until it has noted them."""
    while True:
        if await reports.report_due(BATCH) < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)
