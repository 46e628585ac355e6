"""Voiding: the order ends without any money taken, and no late capture changes that."""

import asyncio

from tests.payments.conftest import NOWHERE, OpenPayments, Payments, charges, command
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.processes import Process
from valerix.chassis.base.deadline import Deadline
from valerix.contracts.commands import CapturePayment, VoidPayment, VoidPayments


async def voided(payments: Payments, order_id: str) -> str:
    """Void until the outcome is certain."""

    async def certain() -> str:
        (status,) = await payments.void(order_id)
        return "" if status == "processing" else status

    return await eventually(certain)


async def net(provider: Api, *order_ids: str) -> int:
    """The money that the provider holds for these orders."""
    found = await charges(provider, *order_ids)
    return sum(
        c["amountMinor"] - c.get("refundedMinor", 0) for c in found if c["status"] == "captured"
    )


async def test_after_a_void_a_late_capture_is_refused_for_ever(
    payments: Payments, provider: Api
) -> None:
    wanted = command()
    assert await payments.void(wanted.order_id) == ["voided"]
    for _ in range(3):
        outcome = await payments.capture_one(wanted)
        assert (outcome.status, outcome.idempotent) == ("voided", True)
    assert await charges(provider, wanted.order_id) == []
    assert await payments.void(wanted.order_id) == ["voided"]


async def test_void_while_processing_waits_for_the_provider_and_forbids_the_charge_there_too(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    cut_off = await open_payments(NOWHERE)
    wanted = command()
    assert (await cut_off.capture_one(wanted, wait_ms=0)).status == "processing"
    assert await cut_off.void(wanted.order_id) == ["processing"]
    await cut_off.close()
    payments = await open_payments(psp.url)
    assert await payments.void(wanted.order_id) == ["voided"]
    late = {
        "reference": f"order-{wanted.order_id}",
        "amountMinor": 1000,
        "currency": "USD",
        "method": "card_ok",
    }
    assert (await provider.post("/v1/charges", late)).json["status"] == "cancelled"
    assert (await payments.capture_one(wanted)).status == "voided"
    detail = await payments.detail(wanted.order_id)
    assert detail.payment.reason == "test"
    assert [e.type for e in detail.history] == ["payment.voided"]


async def test_void_of_a_captured_payment_refunds_it_in_full(
    payments: Payments, provider: Api
) -> None:
    wanted = command()
    await payments.capture_one(wanted)
    assert await payments.void(wanted.order_id) == ["refunded"]
    assert await payments.void(wanted.order_id) == ["refunded"]
    assert await net(provider, wanted.order_id) == 0
    assert (await payments.capture_one(wanted)).status == "refunded"
    assert len((await payments.detail(wanted.order_id)).refunds) == 1


async def test_void_gives_back_only_what_is_left(payments: Payments, provider: Api) -> None:
    wanted = command(amount=1000)
    captured = await payments.capture_one(wanted)
    await payments.refund(captured.payment_id, 400)
    assert await payments.void(wanted.order_id) == ["refunded"]
    assert [r.amount_minor for r in (await payments.detail(wanted.order_id)).refunds] == [400, 600]
    assert await net(provider, wanted.order_id) == 0


async def test_void_leaves_a_decline_as_it_is(payments: Payments) -> None:
    wanted = command("card_declined")
    await payments.capture_one(wanted)
    assert await payments.void(wanted.order_id) == ["declined"]


async def test_void_of_a_charge_whose_answer_is_still_on_its_way_refunds_it(
    payments: Payments, provider: Api
) -> None:
    wanted = command("card_timeout")
    assert (await payments.capture_one(wanted, wait_ms=0)).status == "processing"
    await eventually(lambda: charges(provider, wanted.order_id))
    assert await voided(payments, wanted.order_id) == "refunded"
    assert await net(provider, wanted.order_id) == 0


async def test_a_void_says_when_there_was_nothing_to_undo(
    open_payments: OpenPayments, psp: Process, payments: Payments
) -> None:
    """A charge that was under way was called off: that counts as something to undo."""
    never, taken, declined, called_off = command(), command(), command("card_declined"), command()
    await payments.capture(taken, declined)
    cut_off = await open_payments(NOWHERE)
    await cut_off.capture_one(called_off, wait_ms=0)
    await cut_off.close()
    wanted = [VoidPayment(each.order_id, "test") for each in (never, taken, declined, called_off)]
    for _ in range(2):
        outcomes = (
            await payments.use_cases.void(VoidPayments(wanted), Deadline.after(30))
        ).outcomes
        assert [(outcome.status, outcome.empty) for outcome in outcomes] == [
            *(("voided", True), ("refunded", False), ("declined", True), ("voided", False)),
        ]


async def test_void_of_several_orders_in_one_list(payments: Payments) -> None:
    captured, declined, unknown = command(), command("card_declined"), command()
    await payments.capture(captured, declined)
    order_ids = [unknown.order_id, declined.order_id, captured.order_id, unknown.order_id]
    assert await payments.void(*order_ids) == ["voided", "declined", "refunded", "voided"]


async def test_racing_captures_and_voids_never_keep_money(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    replicas = [await open_payments(psp.url), await open_payments(psp.url)]
    wanted = [command("card_flaky" if n % 3 == 0 else "card_ok") for n in range(40)]

    async def race(number: int, one: CapturePayment) -> str:
        first, second = replicas if number % 2 else reversed(replicas)
        capture = asyncio.create_task(first.capture_one(one, wait_ms=100))
        await asyncio.sleep(0.002 * (number % 5))
        await asyncio.gather(
            *(voided(payments, one.order_id) for payments in (first, second)), capture
        )
        return (await second.capture_one(one)).status

    endings = await asyncio.gather(*(race(number, one) for number, one in enumerate(wanted)))
    assert set(endings) <= {"voided", "refunded"}
    assert await net(provider, *(w.order_id for w in wanted)) == 0
    for one in wanted:
        payment = await replicas[0].payment(one.order_id)
        assert payment.captured_minor == payment.refunded_minor
        assert payment.refunding_minor == 0
