"""From events to messages, read through the API."""

from collections.abc import Callable
from typing import Any

from asyncpg.connection import Connection

from tests.notifications.conftest import MONEY, OPERATORS_EMAIL, message, order
from tests.support.api import Api
from tests.support.eventually import eventually, eventually_equal
from tests.support.identities import Identities
from valerix.chassis.messaging.bus.base import Bus
from valerix.contracts.ids import new_id

PATH = "/api/v1/notifications"


async def messages_of(api: Api, customer: str, count: int, **filters: str) -> list[dict[str, Any]]:
    """The customer's notifications once there are `count`, oldest first."""
    query = "&".join(
        f"{name}={value}" for name, value in {"customerId": customer, **filters}.items()
    )

    async def look() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await api.get(f"{PATH}?{query}")).json["items"]
        return items[::-1] if len(items) >= count else []

    return await eventually(look)


async def test_a_batch_that_comes_three_times_is_told_once(
    api: Api, bus: Bus, customer: str
) -> None:
    data = order(customer)
    batch = message(
        "orders", ("order.confirmed", data["id"], 2, data), ("order.shipped", data["id"], 4, data)
    )
    for _ in range(3):
        await bus.publish([batch])
    await bus.publish([message("orders", ("order.completed", data["id"], 5, data))])
    items = await messages_of(api, customer, 4, status="sent")
    assert sorted((item["channel"], item["template"]) for item in items) == [
        ("email", "order_completed"),
        ("email", "order_confirmed"),
        ("email", "order_shipped"),
        ("sms", "order_shipped"),
    ]
    assert all(item["attempts"] == 1 and item["sentAt"] for item in items)
    assert all(data["id"] in item["subject"] for item in items if item["channel"] == "email")


async def test_the_same_event_in_another_message_is_told_once(
    api: Api, bus: Bus, customer: str, database: Connection
) -> None:
    data = order(customer)
    first = message("orders", ("order.confirmed", data["id"], 2, data))
    await bus.publish([first, first._replace(id=f"{first.id}-again")])
    await bus.publish([message("orders", ("order.completed", data["id"], 3, data))])
    items = await messages_of(api, customer, 2)
    assert [item["template"] for item in items] == ["order_confirmed", "order_completed"]


async def test_an_event_that_cannot_be_told_becomes_a_dead_letter_and_the_rest_is_told(
    api: Api, bus: Bus, customer: str, database: Connection
) -> None:
    good, bad = order(customer), {"customerId": customer}
    await bus.publish(
        [
            message("payments", ("payment.refunded", f"bad-{customer}", 1, bad)),
            message(
                "orders",
                ("order.confirmed", good["id"], 1, good),
                ("order.failed", f"bad-{customer}", 2, bad),
            ),
        ]
    )
    assert len(await messages_of(api, customer, 1)) == 1

    async def buried() -> list[Any]:
        found = await database.fetch(
            "SELECT error FROM dead_letters WHERE event->>'subject' = $1", f"bad-{customer}"
        )
        return found if len(found) == 2 else []

    assert all("TemplateNeedsMore" in row["error"] for row in await eventually(buried))


async def test_a_refund_is_told_to_the_customer(api: Api, bus: Bus, customer: str) -> None:
    data = {"orderId": new_id(), "customerId": customer, "captured": MONEY, "refunded": MONEY}
    await bus.publish([message("payments", ("payment.refunded", new_id(), 3, data))])
    (item,) = await messages_of(api, customer, 1)
    assert item["template"] == "payment_refunded"
    assert "1,299.00 USD" in item["body"]


async def test_low_stock_is_told_again_after_it_was_over(api: Api, bus: Bus, customer: str) -> None:
    """Within the same hour.

    A delivery ends low stock; sales and releases around the threshold do not.
    """
    sku = f"SKU-{customer}"
    data = {
        "productId": sku,
        "warehouseId": "WH",
        "onHand": 3,
        "reserved": 1,
        "availableInAll": 2,
        "orderId": None,
    }
    low = [
        ("inventory.low_stock", f"{sku}/WH", number, data | {"delivery": delivery})
        for number, delivery in enumerate((1, 1, 9, 9), 1)
    ]
    await bus.publish([message("inventory", *low)])

    async def about_it() -> int:
        return len(
            [item for item in await messages_of(api, "operators", 1) if sku in item["subject"]]
        )

    await eventually_equal(about_it, 2)


async def test_low_stock_is_told_to_the_operators_once_an_hour(
    api: Api, bus: Bus, customer: str
) -> None:
    sku = f"SKU-{customer}"
    data = {
        "productId": sku,
        "warehouseId": "WH",
        "onHand": 3,
        "reserved": 1,
        "availableInAll": 2,
        "orderId": None,
    }
    events = [("inventory.low_stock", f"{sku}/WH", number, data) for number in range(1, 6)]
    await bus.publish([message("inventory", *events)])

    async def about_it() -> list[dict[str, Any]]:
        return [item for item in await messages_of(api, "operators", 1) if sku in item["subject"]]

    items = await eventually(about_it)
    assert len(items) == 1
    assert OPERATORS_EMAIL not in str(items)


async def test_the_newest_address_of_a_customer_is_kept(
    bus: Bus, customer: str, database: Connection
) -> None:
    user_id = new_id()

    def person(version: int) -> tuple[str, str, int, dict[str, Any]]:
        data = {
            "id": user_id,
            "customerId": customer,
            "name": "Ann",
            "email": f"ann{version}@valerix.example",
        }
        return ("customer.updated", user_id, version, data)

    await bus.publish([message("users", person(1), person(3)), message("users", person(2))])
    last = person(1)[3] | {"customerId": f"{customer}-last"}
    await bus.publish([message("users", ("customer.registered", new_id(), 1, last))])

    async def seen() -> bool:
        return bool(
            await database.fetchval(
                "SELECT 1 FROM contacts WHERE customer_id = $1", f"{customer}-last"
            )
        )

    await eventually(seen)
    email = await database.fetchval("SELECT email FROM contacts WHERE customer_id = $1", customer)
    assert email == "ann3@valerix.example"


# --- the API


async def test_staff_sends_free_text_and_templates(api: Api, customer: str) -> None:
    free = {"customerId": customer, "subject": "Hello", "body": "We are closed on Monday."}
    answer = await api.post(f"{PATH}/send", free)
    assert answer.status == 202, answer.body
    assert answer.headers["location"] == f"{PATH}/{answer.json['id']}"
    template = {"customerId": customer, "template": "order_completed", "data": {"id": "42"}}
    assert "42" in (await api.post(f"{PATH}/send", template)).json["subject"]
    assert (
        await api.post(f"{PATH}/send", {"customerId": customer, "channel": "sms", "body": "Hi"})
    ).status == 202
    assert len(await messages_of(api, customer, 3, status="sent")) == 3


async def test_a_request_under_the_same_key_is_sent_once(api: Api, customer: str) -> None:
    body = {"customerId": customer, "subject": "Hello", "body": "Once."}
    first = await api.post(f"{PATH}/send", body, idempotency_key=customer)
    await messages_of(api, customer, 1, status="sent")
    again = await api.post(f"{PATH}/send", body, idempotency_key=customer)
    assert (first.status, again.status) == (202, 200)
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    other = await api.post(f"{PATH}/send", body | {"body": "Twice."}, idempotency_key=customer)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


async def test_requests_that_make_no_sense_are_refused(api: Api, customer: str) -> None:
    for wrong, pointer in (
        ({}, "/body"),
        ({"body": "x"}, "/subject"),
        ({"channel": "sms", "subject": "x", "body": "x"}, "/subject"),
        ({"template": "nope"}, "/template"),
        ({"channel": "sms", "template": "order_failed"}, "/template"),
        ({"template": "order_failed", "body": "x"}, "/body"),
        ({"subject": "x", "body": "x", "data": {}}, "/data"),
        ({"subject": "a\nBcc: everybody", "body": "x"}, "/subject"),
    ):
        answer = await api.post(f"{PATH}/send", {"customerId": customer, **wrong})
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, pointer), wrong
    answer = await api.post(
        f"{PATH}/send", {"customerId": customer, "template": "order_completed", "data": {}}
    )
    assert (answer.status, answer.json["code"]) == (422, "template_needs_more")
    assert answer.json["detail"] == "Template order_completed (email) needs id in its data"


async def test_customers_see_their_own_and_send_nothing(
    api: Api, customer: str, identities: Identities, person: Callable[[str], str]
) -> None:
    other = f"{customer}-other"
    sent = {
        number: (
            await api.post(f"{PATH}/send", {"customerId": number, "subject": "x", "body": "x"})
        ).json["id"]
        for number in (customer, other)
    }
    token = person(customer)
    listed = (await api.get(PATH, token=token)).json["items"]
    assert [item["id"] for item in listed] == [sent[customer]]
    assert (await api.get(f"{PATH}?customerId={other}", token=token)).json["items"] == []
    assert (await api.get(f"{PATH}/{sent[customer]}", token=token)).status == 200
    assert (await api.get(f"{PATH}/{sent[other]}", token=token)).status == 404
    assert (await api.get(f"{PATH}/{sent[other]}")).status == 200
    body = {"customerId": customer, "subject": "x", "body": "x"}
    assert (await api.post(f"{PATH}/send", body, token=token)).status == 403
    assert (
        await api.post(f"{PATH}/send", body, token=identities.service("orders", "notifications"))
    ).status == 403


async def test_pages_and_filters(api: Api, customer: str) -> None:
    for number in range(5):
        await api.post(
            f"{PATH}/send", {"customerId": customer, "subject": str(number), "body": "x"}
        )
    await api.post(f"{PATH}/send", {"customerId": customer, "channel": "sms", "body": "x"})
    seen: list[str] = []
    query = f"{PATH}?customerId={customer}&channel=email&limit=2"
    page = (await api.get(query)).json
    while True:
        seen += [item["subject"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        page = (await api.get(f"{query}&cursor={page['nextCursor']}")).json
    assert seen == ["4", "3", "2", "1", "0"]
    assert (await api.get(f"{PATH}?status=nope")).status == 400
    assert (await api.get(f"{PATH}/nope")).status == 404
