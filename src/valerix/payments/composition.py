"""The flows of payments over one database and one provider."""

from collections.abc import Callable
from datetime import timedelta

from valerix.chassis.base import timeouts
from valerix.chassis.base.deadline import Now, utc_now
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.postgres.database import Database
from valerix.contracts.ids import new_id
from valerix.payments.processor import Processor
from valerix.payments.provider import Provider
from valerix.payments.refunds import Refunds
from valerix.payments.repository.payments import PaymentsRepository
from valerix.payments.repository.refunds import RefundsRepository
from valerix.payments.repository.search import PaymentSearchRepository
from valerix.payments.use_cases import PaymentsUseCases


def connect(
    database: Database,
    provider: Provider,
    timeouts: Timeouts = timeouts.DEFAULT,
    *,
    now: Now = utc_now,
    make_id: Callable[[], str] = new_id,
) -> PaymentsUseCases:
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
