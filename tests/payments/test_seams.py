"""Time, ids, chance and the provider are injected: given a test's, every payment is the same."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed
from valerix.chassis.postgres.database import Database
from valerix.contracts.commands import CapturePayment, CapturePayments
from valerix.contracts.ids import id_of
from valerix.contracts.states import ChargeStatus
from valerix.payments.composition import connect
from valerix.payments.provider import Provider
from valerix.payments.refunds import RefundRequest

T = TypeVar("T")
MADE_AT, MOVED_AT = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
IDS = [id_of(MADE_AT, name) for name in ("payment", "refund")]


class FailsOnce:
    """A provider that gives no answer the first time, and then does what is requested."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def post(self, path: str, body: msgspec.Struct, answer: "msgspec.json.Decoder[T]") -> T:
        self.asked.append(path)
        if len(self.asked) == 1:
            raise CallFailed("psp", "tested")
        charge = {
            "reference": "order-1",
            "status": ChargeStatus.CAPTURED,
            "amountMinor": 1000,
            "currency": "USD",
        }
        return answer.decode(
            msgspec.json.encode({"charges": []} if path.endswith("/find") else charge)
        )

    def may_retry(self) -> bool:
        return True


async def test_a_payment_has_the_times_and_ids_it_is_given(
    database_url: Callable[..., str],
) -> None:
    ids, drawn, psp = iter(IDS), [], FailsOnce()

    def chance() -> float:
        drawn.append(0.5)
        return drawn[-1]

    async with Database.open(database_url("payments"), 2) as database:
        provider = Provider(psp, backoff_seconds=0, chance=chance)
        payments = connect(database, provider, now=lambda: MOVED_AT, make_id=lambda: next(ids))
        wanted = CapturePayments(
            [CapturePayment("1", "CUST-001", 1000, "USD", "card_ok")], wait_ms=30_000
        )
        await payments.capture(wanted, Deadline.after(60))
        await payments.refunds.refund(RefundRequest(IDS[0], None, "tested", None, b""), 30)
        found = await payments.get_of_order("1", None)
        await payments.close()
    assert (found.payment.id, found.payment.created_at, found.payment.updated_at) == (
        IDS[0],
        MADE_AT,
        MOVED_AT,
    )
    assert [(refund.id, refund.updated_at) for refund in found.refunds] == [(IDS[1], MOVED_AT)]
    assert [event.occurred_at for event in found.history] == [MOVED_AT, MOVED_AT]
    assert psp.asked == ["/v1/charges", "/v1/charges/find", "/v1/charges", "/v1/refunds"]
    assert drawn == [0.5]
