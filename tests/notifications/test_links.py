"""Links that give access to an account: complete in the mail, shown to few in the API."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncpg.connection import Connection

from tests.notifications.conftest import (
    MAIL_SECRET,
    PUBLIC_URL,
    message,
    open_socket,
    order,
    received,
)
from tests.notifications.test_telling import messages_of
from tests.support.api import Api
from tests.support.identities import Identities
from tests.support.processes import Process
from valerix.chassis.messaging.bus.base import Bus
from valerix.contracts.ids import new_id
from valerix.contracts.mails import mail_token
from valerix.notifications.domain import EMAIL, Notification
from valerix.notifications.links import Links, with_links
from valerix.notifications.senders import OutgoingMessage, SendRefused

PATH = "/api/v1/notifications"


def account(customer: str | None, user_id: str) -> dict[str, Any]:
    """The data of an event about an account."""
    return {
        "id": user_id,
        "email": "ann@shop.example",
        "name": "Ann <script>",
        "role": "admin" if customer is None else "customer",
        "status": "active",
        "customerId": customer,
        "version": 4,
    }


def link(page: str, user_id: str) -> str:
    return f"{PUBLIC_URL}/console/{page}#{mail_token(MAIL_SECRET, f'{user_id}:4')}"


async def test_the_simulated_mail_is_shown_to_its_recipient_and_administrators(
    api: Api, bus: Bus, customer: str, person: Callable[[str], str], identities: Identities
) -> None:
    user_id = new_id()
    event = ("account.reset_requested", user_id, 4, account(customer, user_id))
    await bus.publish([message("users", event)])
    (seen_by_operator,) = await messages_of(api, customer, 1, status="sent")
    where, expected = f"{PATH}/{seen_by_operator['id']}", link("reset-password", user_id)
    assert "the e-mail only" in seen_by_operator["body"]
    assert "#" not in seen_by_operator["body"]
    assert "the e-mail only" in (await api.get(where)).json["body"]
    for token in (person(customer), identities.person("admin")):
        assert expected in (await api.get(where, token=token)).json["body"]
        listed = (await api.get(f"{PATH}?customerId={customer}", token=token)).json["items"]
        assert expected in listed[0]["body"]
    assert (await api.get(where, token=person("CUST-OTHER"))).status == 404


async def test_staff_are_reached_by_user_id(
    api: Api, bus: Bus, database: Connection, identities: Identities
) -> None:
    user_id = new_id()
    await bus.publish(
        [message("users", ("account.confirmation_requested", user_id, 4, account(None, user_id)))]
    )
    (mail,) = await messages_of(api, user_id, 1, status="sent")
    assert mail["template"] == "confirm_email"
    shown = (await api.get(f"{PATH}/{mail['id']}", token=identities.person("admin"))).json
    assert link("confirm-email", user_id) in shown["body"]
    address = await database.fetchval("SELECT email FROM contacts WHERE customer_id = $1", user_id)
    assert address == "ann@shop.example"
    stored = await database.fetchval("SELECT body FROM notifications WHERE id = $1", mail["id"])
    assert "[link]" in stored
    assert "Ann" not in stored, "the address is not confirmed: no text of the customer"


async def test_requests_of_mails_are_not_live(
    replicas: list[Process], bus: Bus, customer: str, identities: Identities
) -> None:
    user_id, data = new_id(), order(customer)
    async with open_socket(replicas[0], identities.person("customer", customer)) as socket:
        await bus.publish(
            [message("users", ("account.reset_requested", user_id, 4, account(customer, user_id)))]
        )
        await bus.publish([message("orders", ("order.confirmed", data["id"], 2, data))])
        (first,) = await received(socket, 1)
    assert first["type"] == "valerix.order.confirmed.v1"


@pytest.mark.parametrize("staff", [False, True])
async def test_a_change_of_address_is_told_to_the_one_of_before_alone(
    api: Api, bus: Bus, customer: str, database: Connection, staff: bool
) -> None:
    user_id = new_id()
    data = account(None if staff else customer, user_id)
    changed = data | {"formerEmail": "old@shop.example"}
    updated = ("customer.updated", user_id, 3, data)
    await bus.publish([message("users", updated, ("account.email_changed", user_id, 4, changed))])
    own = user_id if staff else customer
    (mail,) = await messages_of(api, f"{own}/before/4", 1, status="sent")
    assert mail["template"] == "email_changed"
    assert "ann@shop.example" not in mail["body"], "the former address must not learn the new one"
    kept = await database.fetch(
        "SELECT customer_id, email FROM contacts WHERE starts_with(customer_id, $1)", own
    )
    addresses = {row["customer_id"]: row["email"] for row in kept}
    assert addresses == {own: "ann@shop.example", f"{own}/before/4": "old@shop.example"}
    assert (await api.get(f"{PATH}?customerId={own}")).json["items"] == []


async def test_they_cannot_be_sent_by_hand(api: Api, customer: str) -> None:
    for template in ("reset_password", "confirm_email", "email_changed"):
        body: dict[str, object] = {"customerId": customer, "template": template, "data": {}}
        assert (await api.post(f"{PATH}/send", body)).status == 400


def mail() -> Notification:
    event = "/valerix/users/u:4"
    return Notification(
        new_id(),
        event,
        "email",
        "reset_password",
        "CUST-1",
        "S",
        "open [link] now",
        datetime.now(UTC),
    )


async def test_over_smtp_the_link_stands_in_the_mail_alone() -> None:
    links = Links(MAIL_SECRET, PUBLIC_URL, simulated=False)
    sent: list[str] = []

    async def send(outgoing: OutgoingMessage) -> None:
        sent.append(outgoing.notification.body)

    await with_links(links, {EMAIL: send})[EMAIL](OutgoingMessage(mail(), "ann@shop.example"))
    assert sent == [
        f"open {PUBLIC_URL}/console/reset-password#{mail_token(MAIL_SECRET, 'u:4')} now"
    ]
    assert "the e-mail only" in links.shown(mail(), entitled=True).body


async def test_without_the_secret_none_is_sent() -> None:
    async def send(_: OutgoingMessage) -> None:
        pytest.fail("sent")

    with pytest.raises(SendRefused):
        await with_links(Links("", PUBLIC_URL, simulated=False), {EMAIL: send})[EMAIL](
            OutgoingMessage(mail(), "ann@shop.example")
        )
