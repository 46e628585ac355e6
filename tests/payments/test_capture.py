"""Charging: once per order, ever, whatever is repeated, lost or killed on the way."""

import asyncio
import signal

import msgspec
import pytest

from tests.payments.conftest import NOWHERE, OpenPayments, Payments, charges, command
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.processes import Process
from valerix.chassis.base.problems import Unavailable
from valerix.contracts.commands import CapturePayment
from valerix.payments import processor
from valerix.payments.domain import PaymentNotFound
from valerix.payments.repository.outbox import list_outgoing


async def test_fifty_identical_commands_make_one_charge(payments: Payments, provider: Api) -> None:
    wanted = command()
    outcomes = await asyncio.gather(*(payments.capture_one(wanted) for _ in range(50)))
    assert {o.status for o in outcomes} == {"captured"}
    assert len({o.payment_id for o in outcomes}) == 1
    assert sum(not o.idempotent for o in outcomes) == 1
    assert [c["captures"] for c in await charges(provider, wanted.order_id)] == [1]


async def test_replicas_racing_for_the_same_orders_make_one_charge_each(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    replicas = [await open_payments(psp.url) for _ in range(3)]
    wanted = [command() for _ in range(20)]
    answers = await asyncio.gather(
        *(
            replica.capture(*(wanted if n % 2 else reversed(wanted)))
            for n in range(6)
            for replica in replicas
        )
    )
    assert {o.status for outcomes in answers for o in outcomes} == {"captured"}
    assert [c["captures"] for c in await charges(provider, *(w.order_id for w in wanted))] == [
        1
    ] * 20


async def test_a_list_is_answered_in_its_order_and_one_failure_leaves_the_others_alone(
    payments: Payments, provider: Api
) -> None:
    wanted = [
        command(m)
        for m in ("card_ok", "card_declined", "visa", "barter", "card_expired", "card_flaky")
    ]
    wanted.append(wanted[0])
    outcomes = await payments.capture(*wanted)
    assert [o.order_id for o in outcomes] == [w.order_id for w in wanted]
    expected = ["captured", "declined", "captured", "declined", "declined", "captured", "captured"]
    assert [o.status for o in outcomes] == expected
    assert [o.idempotent for o in outcomes] == [False] * 6 + [True]
    assert (
        len(await charges(provider, *(w.order_id for w in wanted))) == 6
    )  # the provider never hears of barter


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("card_declined", "card_declined"),
        ("card_insufficient_funds", "insufficient_funds"),
        ("card_expired", "expired_card"),
        ("barter", "unsupported_method"),
    ],
)
async def test_a_decline_is_final_and_says_why(
    payments: Payments, method: str, reason: str
) -> None:
    wanted = command(method)
    first, second = await payments.capture_one(wanted), await payments.capture_one(wanted)
    assert (first.status, first.reason, first.idempotent) == ("declined", reason, False)
    assert (second.status, second.reason, second.idempotent) == ("declined", reason, True)
    assert second.payment_id == first.payment_id
    assert [e.type for e in (await payments.detail(wanted.order_id)).history] == [
        "payment.declined"
    ]


async def test_another_amount_for_a_paid_order_is_refused_and_charges_nothing(
    payments: Payments, provider: Api
) -> None:
    wanted = command(amount=1000)
    await payments.capture_one(wanted)
    outcome = await payments.capture_one(command(amount=999, order_id=wanted.order_id))
    assert (outcome.status, outcome.reason) == ("declined", "payment_mismatch")
    assert [c["amountMinor"] for c in await charges(provider, wanted.order_id)] == [1000]
    assert (await payments.capture_one(wanted)).status == "captured"


async def test_a_flaky_provider_is_asked_again_under_the_same_reference(
    payments: Payments, provider: Api
) -> None:
    wanted = command("card_flaky")
    assert (await payments.capture_one(wanted)).status == "captured"
    assert [c["captures"] for c in await charges(provider, wanted.order_id)] == [1]


async def test_a_slow_provider_leaves_it_processing_and_then_it_is_captured_once(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    payments = await open_payments(psp.url, timeout=0.4)
    wanted = command("card_timeout")
    first = await payments.capture_one(wanted, wait_ms=50)
    assert first.status == "processing"
    again = await payments.capture_one(wanted)
    assert (again.status, again.payment_id) == ("captured", first.payment_id)
    assert [c["captures"] for c in await charges(provider, wanted.order_id)] == [1]


async def test_those_who_are_quick_do_not_wait_for_the_slow_beyond_the_patience(
    payments: Payments,
) -> None:
    outcomes = await payments.capture(command("card_timeout"), command(), wait_ms=2000)
    assert [o.status for o in outcomes] == ["processing", "captured"]


async def test_without_a_provider_it_stays_processing_and_is_charged_once_when_it_is_back(
    open_payments: OpenPayments, mortal_psp: Process, mortal_provider: Api
) -> None:
    payments = await open_payments(mortal_psp.url)
    wanted = [command() for _ in range(5)]
    assert {o.status for o in await payments.capture(*wanted, wait_ms=100)} == {"processing"}
    mortal_psp.start()
    await until_captured(payments, wanted)
    assert [
        c["captures"] for c in await charges(mortal_provider, *(w.order_id for w in wanted))
    ] == [1] * 5


async def until_captured(payments: Payments, wanted: list[CapturePayment]) -> None:
    """Capture until done, as orders does: after an outage the breaker lets one call try first."""

    async def captured() -> bool:
        return {o.status for o in await payments.capture(*wanted, wait_ms=2000)} == {"captured"}

    await eventually(captured, 60)


async def test_however_long_it_is_unknown_it_is_never_declined(
    open_payments: OpenPayments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("valerix.payments.provider.PAUSES", (0.01, 0.01))
    payments = await open_payments(NOWHERE)
    wanted = command()
    for _ in range(3):
        assert (await payments.capture_one(wanted)).status == "processing"
        assert await payments.void(wanted.order_id) == ["processing"]
    assert (await payments.detail(wanted.order_id)).history == []


async def test_a_provider_killed_between_effect_and_answer_charged_once(
    open_payments: OpenPayments, mortal_psp: Process, mortal_provider: Api
) -> None:
    mortal_psp.start()
    payments = await open_payments(mortal_psp.url)
    wanted = command("card_timeout")
    assert (await payments.capture_one(wanted, wait_ms=50)).status == "processing"
    await eventually(lambda: charges(mortal_provider, wanted.order_id))
    mortal_psp.kill()
    mortal_psp.start()
    assert (await payments.capture_one(wanted)).status == "captured"
    assert [c["captures"] for c in await charges(mortal_provider, wanted.order_id)] == [1]


async def test_dying_between_the_row_and_the_call_is_made_good_by_the_next_process(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    first = await open_payments(NOWHERE)
    wanted = command()
    assert (await first.capture_one(wanted, wait_ms=50)).status == "processing"
    await first.close()
    second = await open_payments(psp.url)
    assert (await second.capture_one(wanted)).status == "captured"
    assert [c["captures"] for c in await charges(provider, wanted.order_id)] == [1]


async def test_dying_between_the_charge_and_its_record_is_made_good_without_being_asked(
    open_payments: OpenPayments, psp: Process, provider: Api
) -> None:
    first = await open_payments(psp.url, lease_seconds=0.2)
    wanted = command("card_timeout")
    assert (await first.capture_one(wanted, wait_ms=50)).status == "processing"
    await eventually(lambda: charges(provider, wanted.order_id))
    await first.close()
    second = await open_payments(psp.url)
    await eventually(lambda: second.use_cases.resolve_due(10))
    await eventually(lambda: second.is_(wanted.order_id, "captured"))
    assert [c["captures"] for c in await charges(provider, wanted.order_id)] == [1]


async def test_what_is_under_way_is_left_alone_until_its_lease_is_over(
    open_payments: OpenPayments,
) -> None:
    payments = await open_payments(NOWHERE, lease_seconds=30.0)
    await payments.capture_one(command(), wait_ms=0)
    assert await payments.use_cases.resolve_due(10) == 0
    async with payments.database.connection() as connection:
        await connection.execute("UPDATE payments SET due_at = due_at - interval '31 s'")
    assert await payments.use_cases.resolve_due(10) == 1
    assert await payments.use_cases.resolve_due(10) == 0


async def test_a_wrong_secret_declines_nobody(open_payments: OpenPayments, psp: Process) -> None:
    misconfigured = await open_payments(psp.url, secret="not-the-secret-at-all")
    wanted = command()
    assert (await misconfigured.capture_one(wanted, wait_ms=300)).status == "processing"
    await misconfigured.close()
    assert (await (await open_payments(psp.url)).capture_one(wanted)).status == "captured"


@pytest.mark.full
async def test_a_stalled_provider_holding_hundreds_of_charges_takes_each_once(
    open_payments: OpenPayments, mortal_psp: Process, mortal_provider: Api
) -> None:
    mortal_psp.start()
    payments = await open_payments(mortal_psp.url, timeout=1.0)
    wanted = [command() for _ in range(200)]
    more = [command() for _ in range(200)]
    mortal_psp.send(signal.SIGSTOP)
    stalled = await asyncio.gather(
        payments.capture(*wanted, wait_ms=500), payments.capture(*more, wait_ms=500)
    )
    assert {o.status for outcomes in stalled for o in outcomes} == {"processing"}
    await asyncio.sleep(
        1.5
    )  # the calls time out while the provider has their requests in its socket
    mortal_psp.send(signal.SIGCONT)
    for some in (wanted, more):
        await until_captured(payments, some)
        assert [
            c["captures"] for c in await charges(mortal_provider, *(w.order_id for w in some))
        ] == [1] * 200


async def test_too_much_under_way_is_shed_before_anything_is_written(
    open_payments: OpenPayments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "MAX_UNDER_WAY", 20)
    payments = await open_payments(NOWHERE)
    await payments.capture(*(command() for _ in range(19)), wait_ms=0)
    wanted = [command() for _ in range(2)]
    with pytest.raises(Unavailable):
        await payments.capture(*wanted)
    with pytest.raises(PaymentNotFound):
        await payments.detail(wanted[0].order_id)
    assert (await payments.capture_one(wanted[0], wait_ms=0)).status == "processing"


async def test_history_is_gap_free_and_carries_the_representation(payments: Payments) -> None:
    wanted = command()
    captured = await payments.capture_one(wanted)
    await payments.refund(captured.payment_id, 300)
    await payments.refund(captured.payment_id, None)
    history = (await payments.detail(wanted.order_id)).history
    assert [e.version for e in history] == [1, 2, 3]
    assert [e.type for e in history] == ["payment.captured", "payment.refunded", "payment.refunded"]
    assert [e.status for e in history] == ["captured", "partially_refunded", "refunded"]
    async with payments.database.connection() as connection:
        told = [msgspec.json.decode(entry.data) for entry in await list_outgoing(connection, 10)]
    assert [data["status"] for data in told] == ["captured", "partially_refunded", "refunded"]
    assert told[2]["refunded"] == {"amountMinor": 1000, "currency": "USD"}
