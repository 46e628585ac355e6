"""Refunds: never more than was captured, and each once, whatever races, is lost or is killed."""

import asyncio
import signal
from contextlib import suppress

import pytest

from tests.payments.conftest import NOWHERE, OpenPayments, Payments, charges, command
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.processes import Process
from valerix.chassis.base.idempotency import KeyReused
from valerix.chassis.chaos.points import Point
from valerix.contracts.commands import CapturePayment
from valerix.contracts.ids import new_id
from valerix.payments.domain import (
    NotRefundable,
    PaymentNotFound,
    RefundExceedsCaptured,
    RefundRejected,
)
from valerix.payments.refunds import ASKED, ENDED, SET_ASIDE


async def captured(payments: Payments, amount: int = 1000) -> tuple[CapturePayment, str]:
    wanted = command(amount=amount)
    return wanted, (await payments.capture_one(wanted)).payment_id


async def refunded_at(provider: Api, order_id: str) -> int:
    (charge,) = await charges(provider, order_id)
    return int(charge.get("refundedMinor", 0))


async def test_partial_refunds_add_up_to_the_whole(payments: Payments, provider: Api) -> None:
    wanted, payment_id = await captured(payments)
    assert (await payments.refund(payment_id, 300)).status == "succeeded"
    assert await payments.is_(wanted.order_id, "partially_refunded")
    assert (await payments.refund(payment_id, None)).amount_minor == 700
    assert await payments.is_(wanted.order_id, "refunded")
    assert await refunded_at(provider, wanted.order_id) == 1000
    with pytest.raises(NotRefundable):
        await payments.refund(payment_id, 1)


async def test_racing_refunds_never_exceed_what_was_captured_and_ledger_and_database_agree(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    replicas = [await open_payments(psp.url), await open_payments(psp.url)]
    wanted, payment_id = await captured(replicas[0])
    results = await asyncio.gather(
        *(replicas[n % 2].refund(payment_id, 300) for n in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(r, BaseException) for r in results) == 3
    assert {type(r) for r in results if isinstance(r, BaseException)} == {RefundExceedsCaptured}
    payment = await replicas[0].payment(wanted.order_id)
    assert (payment.refunded_minor, payment.refunding_minor) == (900, 0)
    assert await refunded_at(provider, wanted.order_id) == 900


async def test_one_key_makes_one_refund(payments: Payments, provider: Api) -> None:
    wanted, payment_id = await captured(payments)
    results = await asyncio.gather(
        *(payments.refund(payment_id, 100, b"key", b"body") for _ in range(20))
    )
    assert len({r.id for r in results}) == 1
    assert await refunded_at(provider, wanted.order_id) == 100
    with pytest.raises(KeyReused):
        await payments.refund(payment_id, 200, b"key", b"another body")


async def test_the_key_of_one_payment_means_nothing_for_another(payments: Payments) -> None:
    _, first = await captured(payments)
    _, second = await captured(payments)
    refunds = [
        await payments.refund(payment_id, 100, b"key", b"body") for payment_id in (first, second)
    ]
    assert refunds[0].id != refunds[1].id


@pytest.mark.parametrize("amount", [1001, 10**12])
async def test_more_than_is_left_is_refused_and_nothing_written(
    payments: Payments, amount: int
) -> None:
    wanted, payment_id = await captured(payments)
    with pytest.raises(RefundExceedsCaptured):
        await payments.refund(payment_id, amount)
    detail = await payments.detail(wanted.order_id)
    assert (detail.refunds, detail.payment.version) == ([], 1)


async def test_only_captured_payments_can_be_refunded(payments: Payments) -> None:
    declined = await payments.capture_one(command("card_declined"))
    with pytest.raises(NotRefundable):
        await payments.refund(declined.payment_id, 1)
    with pytest.raises(PaymentNotFound):
        await payments.refund(new_id(), 1)


async def test_a_refund_without_an_answer_holds_its_amount_until_it_is_known(
    open_payments: OpenPayments, mortal_psp: Process, mortal_provider: Api
) -> None:
    mortal_psp.start()
    payments = await open_payments(mortal_psp.url, timeout=0.5)
    wanted, payment_id = await captured(payments)
    mortal_psp.send(signal.SIGSTOP)
    pending = await payments.refund(payment_id, 800, b"key", wait=0.2)
    assert pending.status == "pending"
    assert (await payments.payment(wanted.order_id)).refunding_minor == 800
    with pytest.raises(RefundExceedsCaptured):
        await payments.refund(payment_id, 300, wait=0.2)
    mortal_psp.send(signal.SIGCONT)
    assert (await payments.refund(payment_id, 800, b"key")).status == "succeeded"
    assert await refunded_at(mortal_provider, wanted.order_id) == 800


async def test_a_refund_left_behind_by_a_dead_process_is_finished_by_another(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    payments = await open_payments(psp.url)
    wanted, payment_id = await captured(payments)
    cut_off = await open_payments(NOWHERE, lease_seconds=0.1)
    assert (await cut_off.refund(payment_id, None, wait=0)).status == "pending"
    await cut_off.close()
    await eventually(lambda: payments.use_cases.resolve_due(10))
    await eventually(lambda: payments.is_(wanted.order_id, "refunded"))
    assert await refunded_at(provider, wanted.order_id) == 1000


@pytest.mark.parametrize("point", [SET_ASIDE, ASKED, ENDED], ids=lambda point: point.name)
async def test_a_refund_is_given_once_wherever_its_process_dies(
    open_payments: OpenPayments,
    psp: Process,
    provider: Api,
    monkeypatch: pytest.MonkeyPatch,
    point: Point,
) -> None:
    deaths = 0

    async def die() -> None:
        nonlocal deaths
        deaths += 1
        raise RuntimeError("killed")

    first = await open_payments(psp.url, lease_seconds=0.1)
    wanted, payment_id = await captured(first)
    with monkeypatch.context() as dying, suppress(RuntimeError):
        dying.setattr(point, "strike", die)
        await first.refund(payment_id, None)
    await first.close()
    assert deaths == 1
    second = await open_payments(psp.url)

    async def refunded() -> bool:
        await second.use_cases.resolve_due(10)
        return await second.is_(wanted.order_id, "refunded")

    await eventually(refunded)
    assert await refunded_at(provider, wanted.order_id) == 1000


async def test_what_the_provider_refuses_for_good_is_free_again(
    payments: Payments, provider: Api
) -> None:
    wanted, payment_id = await captured(payments)
    elsewhere = {
        "reference": new_id(),
        "chargeReference": f"order-{wanted.order_id}",
        "amountMinor": 600,
    }
    assert (await provider.post("/v1/refunds", elsewhere)).status == 201
    for _ in range(2):
        with pytest.raises(RefundRejected):
            await payments.refund(payment_id, 500, b"key")
    detail = await payments.detail(wanted.order_id)
    assert (detail.payment.status, detail.payment.refunding_minor) == ("captured", 0)
    assert [r.status for r in detail.refunds] == ["failed"]
    assert [e.type for e in detail.history] == ["payment.captured", "payment.refund_failed"]
    assert (await payments.refund(payment_id, 400)).status == "succeeded"
