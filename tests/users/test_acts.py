"""Acts of staff in other services come to the audit once, and are listed with its own acts."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.processes import Process
from valerix.chassis.messaging.bus.base import Delivery, Message
from valerix.chassis.postgres.database import Database
from valerix.contracts.events import ACT_RECORDED, ACTS, PREFIX, VERSION
from valerix.contracts.ids import new_id
from valerix.users import consumers


class NoBus:
    """A bus without messages: the test hands them over."""


def delivery(number: int, **data: Any) -> Delivery:
    event = {
        "id": f"{(act_id := new_id())}:1",
        "source": "/valerix/payments",
        "type": f"{PREFIX}{ACT_RECORDED}{VERSION}",
        "subject": act_id,
        "time": datetime(2026, 1, 2, tzinfo=UTC),
        "sequence": 1,
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-00",
        "data": {
            "act": "payment.refunded",
            "role": "operator",
            "what": {"amountMinor": 77},
            **data,
        },
    }
    return Delivery(Message(ACTS, f"acts-payments-{number}", msgspec.json.encode([event])), 1)


@pytest.fixture
def subject() -> str:
    return new_id()


async def audited(service: Process, identities: Identities, query: str) -> list[dict[str, Any]]:
    async with Api.open(service.url, identities.person("admin", subject=new_id())) as admin:
        answer = await admin.get(f"/api/v1/users/audit?{query}")
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.json["items"]
    return items


async def test_an_act_is_in_the_audit_once_however_often_it_is_told(
    service: Process, users_url: str, identities: Identities, subject: str
) -> None:
    async with Database.open(users_url, 2) as database:
        # Nothing is published or followed.
        inbox = consumers.inbox(database, NoBus())  # type: ignore[arg-type]
        told = delivery(1, actor="olga", subject=subject)
        await inbox.receive([told])
        await inbox.receive([told])
        again = Delivery(told.message._replace(id="acts-payments-1-published-again"), 1)
        await inbox.receive([again])
    (entry,) = await audited(service, identities, f"subject={subject}")
    assert {
        name: entry[name]
        for name in ("action", "service", "actor", "role", "address", "details", "traceId")
    } == {
        "action": "payment.refunded",
        "service": "payments",
        "actor": "olga",
        "role": "operator",
        "address": None,
        "details": {"amountMinor": 77},
        "traceId": "a" * 32,
    }
    assert entry["occurredAt"] == "2026-01-02T00:00:00Z"


async def test_the_audit_is_filtered_by_service_actor_and_subject(
    service: Process, users_url: str, identities: Identities, subject: str
) -> None:
    actors = [new_id(), new_id()]
    async with Database.open(users_url, 2) as database:
        inbox = consumers.inbox(database, NoBus())  # type: ignore[arg-type]  # as above
        for number, actor in enumerate(actors):
            await inbox.receive(
                [delivery(int(new_id()[-6:], 16) + number, actor=actor, subject=subject)]
            )
    assert len(await audited(service, identities, f"subject={subject}&service=payments")) == 2
    assert await audited(service, identities, f"subject={subject}&service=users") == []
    (entry,) = await audited(service, identities, f"actor={actors[0]}")
    assert entry["subject"] == subject


async def test_an_act_that_cannot_be_read_becomes_a_dead_letter_of_users(
    service: Process, users_url: str, identities: Identities, subject: str
) -> None:
    async with Database.open(users_url, 2) as database:
        inbox = consumers.inbox(database, NoBus())  # type: ignore[arg-type]  # as above
        await inbox.receive([delivery(int(new_id()[-6:], 16), subject=subject)])  # no actor
    async with Api.open(service.url, identities.person("operator")) as operator:
        letters = (await operator.get("/api/v1/users/dead-letters?limit=200")).json["items"]
    assert [letter["eventType"] for letter in letters] == ["valerix.act.recorded.v1"]


async def test_an_administrator_who_changes_the_profile_of_another_is_on_record(
    service: Process, identities: Identities
) -> None:
    admin_id = new_id()
    async with Api.open(service.url, identities.person("admin", subject=admin_id)) as admin:
        account = {
            "name": "Ada",
            "email": f"{new_id()}@example.com",
            "password": "long enough, 4 sure",
        }
        ada = (await admin.post("/api/v1/users/register", account)).json
        path = f"/api/v1/users/{ada['id']}"
        for _ in range(2):
            answer = await admin.call("PUT", path, {"name": "Ada Byron", "email": account["email"]})
            assert answer.status == 200, answer.body
    (entry,) = await audited(service, identities, f"actor={admin_id}")
    assert (entry["action"], entry["subject"], entry["role"]) == (
        "profile.changed",
        ada["id"],
        "admin",
    )
    assert entry["details"] == {"fields": "name"}
