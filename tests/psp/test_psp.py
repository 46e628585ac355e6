"""The provider as its merchants use it: over HTTP, and across kills."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.psp.conftest import SECRET
from tests.support.api import Answer, Api
from tests.support.disks import filled, mounted
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.processes import Process
from tests.support.provider import provider_in
from valerix.contracts.ids import new_id


@pytest.fixture
def order() -> str:
    """A reference that no other test uses."""
    return f"order-{new_id()}"


async def charge(api: Api, reference: str, method: str = "card_ok", amount: int = 1000) -> Answer:
    body = {"reference": reference, "amountMinor": amount, "currency": "USD", "method": method}
    return await api.post("/v1/charges", body)


async def refund(api: Api, reference: str, of: str, amount: int) -> Answer:
    body = {"reference": reference, "chargeReference": of, "amountMinor": amount}
    return await api.post("/v1/refunds", body)


async def find(api: Api, *references: str) -> list[dict[str, Any]]:
    answer = await api.post("/v1/charges/find", {"references": references})
    found: list[dict[str, Any]] = answer.json["charges"]
    return found


async def all_charges(api: Api, page: int = 1000) -> list[dict[str, Any]]:
    """Return all charges of the ledger, read in pages."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        answer = (await api.get(f"/v1/ledger?after={after}&limit={page}")).json
        found += answer["charges"]
        after = answer["next"]
    return found


async def test_one_reference_is_charged_once_however_often_it_is_sent(api: Api, order: str) -> None:
    answers = await asyncio.gather(*(charge(api, order) for _ in range(50)))
    assert sorted(a.status for a in answers) == [200] * 49 + [201]
    assert len({a.body for a in answers}) == 1
    assert [c["captures"] for c in await find(api, order)] == [1]


async def test_the_same_reference_with_other_values_is_refused(api: Api, order: str) -> None:
    await charge(api, order)
    answer = await charge(api, order, amount=999)
    assert (answer.status, answer.json["code"]) == (422, "reference_reused")


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("card_declined", "card_declined"),
        ("card_insufficient_funds", "insufficient_funds"),
        ("card_expired", "expired_card"),
    ],
)
async def test_a_decline_is_recorded_with_its_reason_and_stays(
    api: Api, order: str, method: str, reason: str
) -> None:
    first, second = await charge(api, order, method), await charge(api, order, method)
    assert (first.json["status"], first.json["reason"]) == ("declined", reason)
    assert second.json == first.json
    assert "captures" not in second.json


async def test_a_flaky_card_fails_without_effect_and_then_succeeds(api: Api, order: str) -> None:
    assert (await charge(api, order, "card_flaky")).status == 500
    assert await find(api, order) == []
    assert (await charge(api, order, "card_flaky")).status == 201
    assert (await charge(api, order, "card_flaky")).status == 200


async def test_a_slow_card_is_charged_long_before_the_answer(api: Api, order: str) -> None:
    slow = asyncio.create_task(charge(api, order, "card_timeout"))
    await eventually(lambda: find(api, order))
    assert not slow.done()
    again = await charge(api, order, "card_timeout")
    assert (again.status, again.json["status"]) == (200, "captured")
    slow.cancel()


async def test_a_cancelled_reference_is_never_charged(api: Api, order: str) -> None:
    assert (await api.post("/v1/charges/cancel", {"reference": order})).json[
        "status"
    ] == "cancelled"
    late = await charge(api, order)
    assert (late.status, late.json["status"]) == (200, "cancelled")
    assert "captures" not in (await find(api, order))[0]


async def test_cancelling_what_was_charged_changes_nothing(api: Api, order: str) -> None:
    await charge(api, order)
    assert (await api.post("/v1/charges/cancel", {"reference": order})).json["status"] == "captured"


async def test_racing_charge_and_cancel_agree_on_one_outcome(api: Api, order: str) -> None:
    for number in range(30):
        reference = f"{order}-{number}"
        charged, cancelled = await asyncio.gather(
            charge(api, reference), api.post("/v1/charges/cancel", {"reference": reference})
        )
        assert charged.json["status"] == cancelled.json["status"]


async def test_refunds_never_exceed_the_charge_even_when_they_race(api: Api, order: str) -> None:
    await charge(api, order, amount=1000)
    answers = await asyncio.gather(*(refund(api, f"{order}-{n}", order, 300) for n in range(10)))
    assert sorted(a.status for a in answers) == [201] * 3 + [409] * 7
    assert (await find(api, order))[0]["refundedMinor"] == 900


async def test_a_refund_is_made_once_under_its_reference(api: Api, order: str) -> None:
    await charge(api, order)
    assert [(await refund(api, f"{order}-refund-1", order, 400)).status for _ in range(3)] == [
        201,
        200,
        200,
    ]
    assert (await refund(api, f"{order}-refund-1", order, 401)).status == 422
    assert (await find(api, order))[0]["refundedMinor"] == 400


async def test_only_a_captured_charge_can_be_refunded(api: Api, order: str) -> None:
    await charge(api, order, "card_declined")
    assert (await refund(api, f"{order}-refund-1", order, 1)).status == 404
    assert (await refund(api, f"{order}-refund-2", f"{order}-2", 1)).status == 404


@pytest.mark.parametrize("token", ["", "wrong", SECRET + "x", SECRET[:-1]])
async def test_nothing_is_served_without_the_secret(psp: Process, order: str, token: str) -> None:
    async with Api.open(psp.url, token) as stranger:
        assert (await charge(stranger, order)).status == 401
        assert (await stranger.get("/v1/ledger")).status == 401


async def test_bad_bodies_are_named_field_by_field(api: Api, order: str) -> None:
    answer = await api.post("/v1/charges", {"reference": "", "amountMinor": 0, "currency": "usd"})
    assert answer.status == 400
    pointers = {error["pointer"] for error in answer.json["errors"]}
    assert pointers == {"/reference", "/amountMinor", "/currency", "/method"}
    assert (await charge(api, order, "barter")).json["errors"][0]["pointer"] == "/method"


async def test_what_was_answered_survives_kill_9(mortal_api: Api, mortal: Process) -> None:
    await charge(mortal_api, "order-1", amount=1000)
    await charge(mortal_api, "order-2", "card_declined")
    await mortal_api.post("/v1/charges/cancel", {"reference": "order-3"})
    await refund(mortal_api, "refund-1", "order-1", 300)
    before = (await mortal_api.get("/v1/ledger")).json
    mortal.kill()
    mortal.start()
    assert (await mortal_api.get("/v1/ledger")).json == before
    assert (await charge(mortal_api, "order-1", amount=1000)).status == 200
    assert (await charge(mortal_api, "order-3")).json["status"] == "cancelled"
    assert (await refund(mortal_api, "refund-1", "order-1", 300)).status == 200


async def test_every_acknowledged_charge_survives_kills_under_load(
    mortal_api: Api, mortal: Process
) -> None:
    acknowledged: set[str] = set()

    async def shop(number: int) -> None:
        for turn in range(10_000):
            reference = f"order-{number}-{turn}"
            if (await charge(mortal_api, reference)).status == 201:
                acknowledged.add(reference)

    shops = [asyncio.create_task(shop(number)) for number in range(8)]

    async def some() -> bool:
        return len(acknowledged) > 20

    await eventually(some)
    mortal.kill()
    await asyncio.gather(*shops, return_exceptions=True)
    mortal.start()
    captured = {c["reference"]: c["captures"] for c in await all_charges(mortal_api)}
    assert acknowledged
    assert acknowledged <= captured.keys()
    assert set(captured.values()) == {1}


async def test_the_ledger_is_read_in_pages_and_every_page_counts_all_of_it(mortal_api: Api) -> None:
    for number in range(7):
        await charge(mortal_api, f"order-{number}", "card_declined" if number == 3 else "card_ok")
    await refund(mortal_api, "refund-1", "order-1", 300)
    charges = await all_charges(mortal_api, page=3)
    assert [c["reference"] for c in charges] == [f"order-{number}" for number in range(7)]
    last = (await mortal_api.get("/v1/ledger?after=6&limit=3")).json
    assert (last["lines"], last["captured"], last["declined"], last["refunds"], last["next"]) == (
        8,
        6,
        1,
        1,
        None,
    )
    assert last["totals"] == [{"currency": "USD", "capturedMinor": 6000, "refundedMinor": 300}]
    assert (await mortal_api.get("/v1/ledger?limit=0")).status == 400


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with mounted(64 * 1024) as folder:
        yield folder


@pytest.fixture
def confined(small_disk: Path, identities: Identities) -> Iterator[Process]:
    """A provider with its ledger on a small file system."""
    process = provider_in(small_disk, identities)
    yield process.start()
    process.kill()


async def test_the_provider_goes_on_when_there_is_room_again(
    confined: Process, small_disk: Path, order: str
) -> None:
    """A charge that could not be written was not made.

    Nothing of it is left, neither in memory nor on disk.
    """
    references = [f"{order}-{number}" for number in range(50)]
    async with Api.open(confined.url, SECRET) as api:
        assert (await charge(api, order)).status == 201
        with filled(small_disk):
            answers = {reference: await charge(api, reference) for reference in references}
            made = [reference for reference, answer in answers.items() if answer.status == 201]
            last = answers[references[-1]]
            assert (last.status, last.json["code"]) == (503, "ledger_broken")
            assert (await api.get("/ready")).status == 503
            assert await find(api, references[-1]) == []
        assert (await api.get("/ready")).status == 200
        assert (await charge(api, references[-1])).status == 201
        expected = [order, *made, references[-1]]
        assert [one["reference"] for one in await all_charges(api)] == expected
    confined.kill()
    confined.start()
    async with Api.open(confined.url, SECRET) as api:
        assert [one["reference"] for one in await all_charges(api)] == expected
