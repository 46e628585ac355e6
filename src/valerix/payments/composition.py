"""Connects the flows of payments to one database and one provider."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

from valerix.chassis.base import timeouts
from valerix.chassis.base.deadline import Now, utc_now
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.peers import Peer
from valerix.chassis.calls.policy import Policy
from valerix.chassis.postgres.database import Database
from valerix.contracts.ids import new_id
from valerix.payments.captures import Captures
from valerix.payments.processor import Processor
from valerix.payments.provider import Provider
from valerix.payments.refund_reports import RefundReports
from valerix.payments.refunds import Refunds
from valerix.payments.refunds_by_hand import RefundsByHand
from valerix.payments.repository.captures import CaptureKeysRepository
from valerix.payments.repository.payments import PaymentsRepository
from valerix.payments.repository.refunds import RefundsRepository
from valerix.payments.repository.search import PaymentSearchRepository
from valerix.payments.searching import Searching
from valerix.payments.use_cases import PaymentsUseCases


class Settings(ServiceSettings, frozen=True, kw_only=True):
    psp_url: tuple[str, ...]
    psp_secret: str
    orders_url: tuple[str, ...]


async def open_provider(settings: Settings, resources: AsyncExitStack) -> HttpClient:
    """Open the client for the provider. It tries each call once; `Provider` repeats them."""
    policy = replace(
        Policy.of(settings), timeout_seconds=settings.provider_timeout_seconds, retries=0
    )
    headers = {"authorization": f"Bearer {settings.psp_secret}"}
    return await resources.enter_async_context(
        HttpClient.open("psp", settings.psp_url, policy, headers=headers)
    )


def connect(
    database: Database,
    provider: Provider,
    timeouts: Timeouts = timeouts.DEFAULT,
    *,
    now: Now = utc_now,
    make_id: Callable[[], str] = new_id,
) -> PaymentsUseCases:
    """Build the use cases of payments."""
    payments, refunded = PaymentsRepository(), RefundsRepository()
    lease = timedelta(seconds=timeouts.step_lease_seconds)
    return PaymentsUseCases(
        database,
        payments,
        PaymentSearchRepository(),
        refunded,
        provider,
        Processor(database, payments, provider, now),
        Refunds(database, refunded, payments, provider, lease, now=now, make_id=make_id),
        timeouts=timeouts,
        make_id=make_id,
    )


def connect_captures(
    database: Database, payments: PaymentsUseCases, orders: HttpClient
) -> Captures:
    """Build captures by hand, on top of the use cases of payments."""
    return Captures(database, CaptureKeysRepository(), PaymentsRepository(), payments, orders)


def connect_refunds(database: Database, payments: PaymentsUseCases, orders: Peer) -> RefundsByHand:
    """Build refunds by hand, on top of the use cases of payments."""
    return RefundsByHand(database, PaymentsRepository(), payments.refunds, orders)


def connect_searching(database: Database, orders: Peer) -> Searching:
    """Build the search for payments."""
    return Searching(database, PaymentSearchRepository(), orders)


def connect_refund_reports(
    database: Database, orders: Peer, timeouts: Timeouts = timeouts.DEFAULT
) -> RefundReports:
    """Build the reports of refunds by hand."""
    return RefundReports(
        database, RefundsRepository(), orders, timedelta(seconds=timeouts.step_lease_seconds)
    )
