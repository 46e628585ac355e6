"""Every message has a text that fits the data of real events."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.notifications.conftest import MONEY, order
from valerix.notifications.domain import (
    EMAIL_CHANGED,
    NOTIFICATIONS_BY_EVENT,
    PAGES,
    TEMPLATES,
    TemplateNeedsMore,
)
from valerix.notifications.rendering import render
from valerix.orders.errors import REFUSALS

EVENTS = Path(__file__).parents[1] / "contracts" / "events"
"""Every event as its service really publishes it."""
DATA: dict[str, dict[str, Any]] = {
    name: json.loads((EVENTS / f"valerix.{name}.v1.json").read_text())["data"]
    for name in ("payment.refunded", "inventory.low_stock")
}
ALL = [
    (name, channel, template)
    for name, messages in NOTIFICATIONS_BY_EVENT.items()
    for channel, template in messages
]


@pytest.mark.parametrize(("name", "channel", "template"), ALL)
def test_every_message_has_a_text(name: str, channel: str, template: str) -> None:
    text = render(channel, template, DATA.get(name) or order("CUST-001"))
    assert len(text.body) > 10
    assert bool(text.subject) == (channel == "email")
    assert "{" not in text.subject + text.body


def test_every_message_belongs_to_an_event_that_is_told() -> None:
    not_by_hand = {("email", template) for template in (*PAGES, EMAIL_CHANGED)}
    assert {(channel, template) for _, channel, template in ALL} == TEMPLATES | not_by_hand
    assert not TEMPLATES & not_by_hand, "a link belongs to the event that requested it"


@pytest.mark.parametrize(
    "changes",
    [
        {
            "total": None,
            "items": [{"productId": "P", "productName": None, "quantity": 1, "lineTotal": None}],
        },
        {"errorMessage": "Insufficient stock", "onShortage": "backorder", "paymentId": "0190"},
    ],
)
@pytest.mark.parametrize(
    ("name", "channel", "template"), [one for one in ALL if one[0] not in DATA]
)
def test_orders_are_told_in_every_state_they_can_be_in(
    name: str, channel: str, template: str, changes: dict[str, Any]
) -> None:
    assert render(channel, template, order("CUST-001", **changes)).body


def test_texts_are_texts_not_html() -> None:
    item = {"productId": "P", "productName": 'Mug & "Co" <b>', "quantity": 1, "lineTotal": MONEY}
    assert (
        'Mug & "Co" <b>: 1,299.00 USD'
        in render("email", "order_confirmed", order("C", items=[item])).body
    )


def test_a_template_refuses_data_that_lacks_what_it_shows() -> None:
    with pytest.raises(TemplateNeedsMore, match="availableInAll"):
        render("email", "low_stock", {"productId": "PROD-001"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"heldUntil": "2026-01-02T03:04:05.123456Z"},
            "it is cancelled on 2026-01-02 at 03:04 UTC.\nYou have not",
        ),
        ({}, "it is cancelled after a while.\nYou have not"),
        (
            {"onShortage": "backorder", "heldUntil": "2026-01-02T05:04:05+02:00"},
            "stock. We keep it until 2026-01-02 at 03:04 UTC.\n",
        ),
        ({"onShortage": "backorder"}, "once the goods are back in stock.\nYou have not"),
    ],
)
def test_an_order_that_waits_says_until_when(changes: dict[str, Any], said: str) -> None:
    """Older events have no time, so their messages name none."""
    assert said in render("email", "order_held", order("CUST-001", **changes)).body


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(TemplateNeedsMore):
        render("email", "order_held", order("CUST-001", heldUntil="soon"))


URGENT = "urgent! sign in at http://evil.example"


@pytest.mark.parametrize(
    ("name", "channel", "template"), [one for one in ALL if one[0] not in DATA]
)
def test_nothing_that_customers_wrote_is_sent(name: str, channel: str, template: str) -> None:
    """An unconfirmed address may belong to another person."""
    item = {"productId": URGENT, "productName": None, "quantity": 1, "lineTotal": None}
    address = dict.fromkeys(("name", "street", "city", "region", "postalCode"), URGENT)
    data = order(
        "CUST-001", errorMessage=URGENT, items=[item], shippingAddress=address, paymentMethod=URGENT
    )
    assert "evil" not in str(render(channel, template, data))


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_every_refusal_has_words_of_ours(code: str) -> None:
    body = render(
        "email", "order_failed", order("CUST-001", errorCode=code, errorMessage=URGENT)
    ).body
    known = code != "order_cancelled"  # which has a message of its own
    assert ("looking into" not in body) is known
