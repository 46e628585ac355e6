"""A payment that cannot be stored fails alone: its neighbours are charged once, and it never is."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.payments.conftest import Payments, charges, command
from tests.support.api import Api
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.postgres.database import IMPOSSIBLE
from valerix.contracts.commands import CapturePayments, VoidPayment, VoidPayments
from valerix.contracts.ids import new_id
from valerix.payments.processor import Processor

NUL = "\x00"
"""Text that PostgreSQL cannot store."""


async def test_a_capture_that_cannot_be_stored_fails_its_own_list_alone(
    payments: Payments, provider: Api
) -> None:
    good = [command() for _ in range(3)]
    lists: list[list[Any]] = [
        [good[0]],
        [command(amount=2**63)],
        [good[1], good[2]],
        [command(order_id=NUL)],
    ]
    answers = await asyncio.gather(
        *(
            payments.use_cases.capture(CapturePayments(each, 25_000), Deadline.after(30))
            for each in lists
        ),
        return_exceptions=True,
    )
    assert [isinstance(answer, IMPOSSIBLE) for answer in answers] == [False, True, False, True]
    assert [await payments.is_(each.order_id, "captured") for each in good] == [True] * 3
    assert [c["captures"] for c in await charges(provider, *(each.order_id for each in good))] == [
        1
    ] * 3


async def test_a_void_that_cannot_be_stored_writes_nothing(payments: Payments) -> None:
    wanted = [VoidPayment(new_id(), "test"), VoidPayment(new_id(), NUL)]
    with pytest.raises(IMPOSSIBLE):
        await payments.use_cases.void(VoidPayments(wanted), Deadline.after(30))
    async with payments.database.connection() as tx:
        assert await tx.fetchval("SELECT count(*) FROM payments") == 0


async def test_an_outcome_that_cannot_be_stored_leaves_its_payment_open_and_settles_the_others(
    payments: Payments, provider: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's reason is text that another company writes."""
    settle = Processor.settle

    async def odd(self: Processor, payment: Any, charge: Any, reason: str | None = None) -> Any:
        return await settle(
            self,
            payment,
            msgspec.structs.replace(charge, reason=NUL) if payment.order_id == odd_id else charge,
            reason,
        )

    wanted = [command("card_declined") for _ in range(3)]
    odd_id = wanted[1].order_id
    monkeypatch.setattr(Processor, "settle", odd)
    await payments.capture(*wanted, wait_ms=1)
    outcomes = await payments.capture(wanted[0], wanted[2], wait_ms=30_000)
    outcomes += await payments.capture(wanted[1], wait_ms=1)
    assert [outcome.status for outcome in outcomes] == ["declined", "declined", "processing"]
