"""The statements of payments, for tests that run them directly."""

from valerix.payments.repository.payments import PaymentsRepository
from valerix.payments.repository.refunds import RefundsRepository
from valerix.payments.repository.search import PaymentSearchRepository

PAYMENTS = PaymentsRepository()
REFUNDS = RefundsRepository()
SEARCH = PaymentSearchRepository()
