"""Data of an earlier version under the present code: it stays readable, replayable and consumable.

The folder `01b49c0` has the data of the commit of that name, written by `python -m
tests.upgrade.record FOLDER` in a checkout of it. Work of every kind was open when its stack ended.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import connect

from tests.support.api import Answer, Api
from tests.support.eventually import eventually
from tests.support.folders import empty_folder
from tests.support.groups import QUICK
from tests.support.mail import Mailbox, mail_server
from tests.support.stack import ADA, OPERATOR, Stack, place, settled
from tests.system.test_events import quiet
from tests.upgrade import snapshot
from valerix.contracts import events
from valerix.contracts.ids import created_at
from valerix.launcher.credentials import Credentials
from valerix.notifications.domain import EMAIL, NOTIFICATIONS_BY_EVENT, SMS
from valerix.orders.transitions import TRANSITIONS
from valerix.users.passwords import hash_password

ORDERS: Final = "/api/v1/orders"
SNAPSHOT: Final = Path(__file__).parent / "01b49c0"
STORY: Final = json.loads((SNAPSHOT / "story.json").read_text())
REQUESTS: Final[list[dict[str, Any]]] = STORY["requests"]
FOR_NO_ORDER: Final = ("reserved by hand", "charged by hand")
"""Requests without an order: that version let staff reserve and charge for orders that do not
exist.
"""
OTHERWISE: Final = {
    "items": [{"productId": "OLD-PLENTY", "quantity": 9}],
    "delta": 9,
    "quantity": 9,
    "reason": "another",
    "body": "another",
}
"""Values that make each recorded body a different one."""
SIMULATED: Final = "message sent (simulated)"


class Upgraded(Stack):
    """A stack of the present version on old data; `mailbox` has its sent messages."""

    def __init__(self, data_dir: Path, mailbox: Mailbox, smtp_url: str) -> None:
        super().__init__(
            data_dir, hourly_limit="100000", first_retry_seconds="0.5", smtp_url=smtp_url, **QUICK
        )
        self.mailbox = mailbox

    async def repeat(self, request: dict[str, Any], **changed: Any) -> Answer:
        async with self.api(request["email"]) as api:
            return await api.call(
                request["method"], request["path"], request["body"] | changed, **request["headers"]
            )

    async def settle(self, request: dict[str, Any]) -> Answer:
        """Repeats a request until its answer is definite, and returns the answer."""

        async def definite() -> Answer | None:
            answer = await self.repeat(request)
            in_flight = answer.status == 409 and answer.json["code"] == "idempotency_key_in_flight"
            return None if answer.status == 202 or in_flight else answer

        answer = await eventually(definite, 120)
        assert answer is not None
        return answer

    async def timelines(self) -> dict[str, list[str]]:
        """Returns the event types of every order, once all work has ended and every message was
        sent.
        """
        await settled(self)
        await eventually(self._all_ended, 120)
        await quiet(self)
        async with self.api(OPERATOR) as operator:
            return {
                order["id"]: [
                    event["type"] for event in (await _timeline(operator, order["id"]))["events"]
                ]
                for order in await pages(operator, f"{ORDERS}?limit=20")
            }

    async def _all_ended(self) -> bool:
        async with self.api(OPERATOR) as operator:
            orders = await pages(operator, f"{ORDERS}?limit=200")
        return not any(TRANSITIONS[order["status"]] for order in orders)


async def pages(api: Api, path: str) -> list[dict[str, Any]]:
    """Returns all items of a list."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        page = (await api.get(path + cursor)).json
        items += page["items"]
        cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
    return items


async def _timeline(api: Api, order_id: str) -> dict[str, Any]:
    timeline: dict[str, Any] = (await api.get(f"{ORDERS}/{order_id}/events")).json
    return timeline


@pytest.fixture(scope="module")
def old() -> Iterator[Upgraded]:
    """Provides the upgraded stack after `up`."""
    mailbox = Mailbox()
    with empty_folder() as data_dir, mail_server(mailbox) as url:
        snapshot.load(SNAPSHOT, data_dir, hash_password(Credentials(data_dir).demo_password))
        stack = Upgraded(data_dir, mailbox, url)
        try:
            stack.up()
            yield stack
        finally:
            stack.down()


def each(wanted: Callable[[dict[str, Any]], object]) -> pytest.MarkDecorator:
    """Parametrizes a test with the recorded requests that `wanted` selects."""
    cases = [asked for asked in REQUESTS if wanted(asked)]
    return pytest.mark.parametrize("asked", cases, ids=[asked["name"] for asked in cases])


# --- replayable


@each(lambda asked: "again" in asked and asked["name"] not in FOR_NO_ORDER)
async def test_the_same_request_gets_the_same_bytes(old: Upgraded, asked: dict[str, Any]) -> None:
    answer = await old.repeat(asked)
    repeated = {
        "status": answer.status,
        "replayed": answer.headers.get("idempotent-replayed"),
        "body": answer.body.decode(),
    }
    assert repeated == asked["again"]


@each(lambda asked: asked["name"] in FOR_NO_ORDER)
async def test_what_was_done_for_an_order_that_does_not_exist_is_refused_now(
    old: Upgraded, asked: dict[str, Any]
) -> None:
    answer = await old.repeat(asked)
    assert (answer.status, answer.json["code"]) == (404, "order_not_found")


@each(lambda asked: asked["headers"] or "idempotencyKey" in asked["body"])
async def test_the_same_key_with_another_body_is_refused(
    old: Upgraded, asked: dict[str, Any]
) -> None:
    answer = await old.repeat(
        asked, **{name: OTHERWISE[name] for name in OTHERWISE.keys() & asked["body"].keys()}
    )
    assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")


@each(lambda asked: "again" not in asked)
async def test_a_request_without_a_definite_answer_gets_one(
    old: Upgraded, asked: dict[str, Any]
) -> None:
    answer = await old.settle(asked)
    assert (answer.status, answer.headers["idempotent-replayed"]) == (200, "true")
    assert answer.json["status"] == ("confirmed" if asked["end"] else "succeeded")


# --- driven to the end


@each(lambda asked: asked["end"])
async def test_an_order_reaches_its_end(old: Upgraded, asked: dict[str, Any]) -> None:
    settled_order = (await old.settle(asked)).json
    async with old.api(OPERATOR) as operator:

        async def ended() -> bool:
            order = (
                await operator.get(
                    f"{ORDERS}/{settled_order.get('id') or settled_order['order']['id']}"
                )
            ).json
            assert TRANSITIONS[order["status"]] or order["status"] == asked["end"], order
            return bool(order["status"] == asked["end"])

        await eventually(ended, 120)


async def test_the_books_are_sound_and_no_order_was_charged_twice(old: Upgraded) -> None:
    timelines = await old.timelines()
    assert "Sound" in old.cli("audit").stdout
    captures = Counter(
        {
            charge["reference"]: charge.get("captures", 0)
            for charge in (await old.ledger())["charges"]
        }
    )
    assert set(captures.values()) <= {0, 1}
    confirmed = sum(events.ORDER_CONFIRMED in types for types in timelines.values())
    free, by_hand = 1, 1
    assert captures.total() == confirmed - free + by_hand


# --- consumable


async def test_everybody_is_told_everything_once(old: Upgraded) -> None:
    """Counts messages before and after the upgrade: sent ones are not sent again, queued and new
    ones are sent once.
    """
    expected = Counter(
        (channel, template)
        for types in (await old.timelines()).values()
        for event in types
        for channel, template in NOTIFICATIONS_BY_EVENT.get(event, ())
    )
    async with old.api(OPERATOR) as operator:
        for payment in await pages(operator, "/api/v1/payments?limit=200"):
            history = (await operator.get(f"/api/v1/payments/{payment['id']}")).json["history"]
            expected[EMAIL, "payment_refunded"] += [event["type"] for event in history].count(
                events.PAYMENT_REFUNDED
            )
        queue = await pages(operator, "/api/v1/notifications?limit=200")
    assert (
        Counter((one["channel"], one["template"]) for one in queue if one["template"]) == expected
    )
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    # Old events without a message get a row that is skipped: the message would be too late.
    late = {one["id"] for one in queue if created_at(one["id"]) < a_day_ago} - {
        *STORY["sent"],
        *STORY["queued"],
    }
    assert {one["id"]: one["status"] for one in queue} == {
        one["id"]: "skipped" if one["id"] in late else "sent" for one in queue
    }
    now = _sent_by(old)
    assert set(now.values()) == {1}
    assert not now.keys() & set(STORY["sent"])
    assert now.keys() >= set(STORY["queued"])
    assert now.keys() | set(STORY["sent"]) | late == {one["id"] for one in queue}


def _sent_by(stack: Upgraded) -> Counter[str]:
    """Counts the sent messages by id: e-mails in the mail server, text messages in the log."""
    mails = [
        str(mail["Message-ID"]).strip("<>").partition("@")[0] for mail in stack.mailbox.messages
    ]
    log = [
        json.loads(line) for line in stack.log("notifications").splitlines() if SIMULATED in line
    ]
    return Counter(mails) + Counter(
        line["notification_id"] for line in log if line["channel"] == SMS
    )


async def test_live_pages_show_everything_once(old: Upgraded) -> None:
    async with old.api(ADA) as ada:
        last = (await place(ada, {"PROD-018": 1})).json["id"]
    timelines = await old.timelines()
    url = old.url.replace("http://", "ws://") + "/ws?lastEventId=0"
    headers = {"Authorization": f"Bearer {await old.token(OPERATOR)}"}
    seen: Counter[tuple[str, str, str]] = Counter()
    """Events by type, subject and content without the position in the stream: one stock change may
    serve several orders.
    """
    async with (
        connect(url, additional_headers=headers, proxy=None, max_queue=None) as socket,
        asyncio.timeout(60),
    ):
        while not any(kind == "order.completed" and subject == last for kind, subject, _ in seen):
            event = json.loads(await socket.recv())
            del event["id"]
            seen[events.name_of(event["type"]), event["subject"], json.dumps(event)] += 1
    assert set(seen.values()) == {1}
    counted = Counter((kind, subject) for kind, subject, _ in seen if kind.startswith("order."))
    assert counted == Counter(
        (kind, subject)
        for subject, types in timelines.items()
        for kind in types
        if kind in events.BY_SOURCE["orders"]
    )


async def test_a_dead_letter_is_processed_once_its_cause_is_mended(old: Upgraded) -> None:
    """The dead letter is the event that suspends a customer."""
    path = f"{ORDERS}/dead-letters/{STORY['deadLetter']}/replay"
    async with old.api(OPERATOR) as operator:
        replayed = await operator.post(path, None)
        assert (replayed.status, replayed.json["consumer"]) == (200, "orders")
        assert replayed.json["replayedAt"]
        refused = await place(
            operator, {"OLD-PLENTY": 1}, customer=replayed.json["event"]["data"]["customerId"]
        )
    assert (refused.status, refused.json["code"]) == (422, "customer_suspended")


# --- readable


async def test_old_orders_are_found_and_have_their_history(old: Upgraded) -> None:
    async with old.api(ADA) as ada:
        mine = await pages(ada, f"{ORDERS}?limit=20&productId=OLD-PLENTY&sort=createdAt")
        assert len(mine) > 20
        assert {order["customerId"] for order in mine} == {"CUST-001"}
        for order in mine:
            assert [
                one["id"] for one in (await ada.get(f"{ORDERS}?q={order['id']}")).json["items"]
            ] == [order["id"]]
            versions = [event["version"] for event in (await _timeline(ada, order["id"]))["events"]]
            assert versions == list(range(1, len(versions) + 1))
    async with old.api(OPERATOR) as operator:
        movements = await pages(operator, "/api/v1/inventory/OLD-PLENTY/movements?limit=20")
    assert {one["kind"] for one in movements} == {
        "receive",
        "adjust",
        "update",
        "reserve",
        "release",
        "commit",
    }


async def test_sessions_go_on_and_ended_ones_do_not(old: Upgraded) -> None:
    live, ended = STORY["liveSession"], STORY["endedSession"]
    async with Api.open(old.url) as guest:

        async def refresh(session: str) -> Answer:
            return await guest.post(
                "/api/v1/users/refresh", {"refreshToken": snapshot.unused_token(session)}
            )

        assert (await refresh(ended)).status == 401
        refreshed = await refresh(live)
        assert refreshed.status == 200
        shown = await guest.get("/api/v1/users/me/sessions", token=refreshed.json["accessToken"])
    assert [session["id"] for session in shown.json["items"] if session["current"]] == [live]


@pytest.mark.parametrize("name", ["first", "second"])
async def test_customers_who_had_just_registered_can_order(old: Upgraded, name: str) -> None:
    async with old.api(f"{name}@demo.valerix.example") as api:
        me = (await api.get("/api/v1/users/me")).json
        answer = await place(api, {"PROD-018": 1}, customer=me["customerId"])
    assert answer.status == 201, answer.body
