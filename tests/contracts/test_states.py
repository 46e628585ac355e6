"""The states are defined in one place; the states in databases and pages agree with it."""

import re
from collections.abc import Callable
from enum import StrEnum

import asyncpg
import pytest

from valerix.console import states as page_states
from valerix.contracts.states import (
    STATES,
    ChargeStatus,
    FulfilmentStatus,
    NotificationStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReservationStatus,
    Tone,
    label,
    sql,
)
from valerix.orders import transitions
from valerix.orders.repository import driving
from valerix.payments import domain as payments

COLUMNS = [
    ("orders", "orders", set(OrderStatus)),
    ("payments", "payments", set(PaymentStatus)),
    ("payments", "refunds", set(RefundStatus)),
    ("inventory", "reservations", set(ReservationStatus)),
    ("notifications", "notifications", set(NotificationStatus)),
]


@pytest.mark.parametrize(
    ("service", "table", "states"), COLUMNS, ids=[table for _, table, _ in COLUMNS]
)
async def test_a_database_takes_the_states_there_are_and_no_other(
    database_url: Callable[..., str], service: str, table: str, states: set[StrEnum]
) -> None:
    connection = await asyncpg.connect(database_url(service))
    try:
        checks = await connection.fetch(
            """
            SELECT pg_get_constraintdef(oid) FROM pg_constraint
            WHERE conrelid = $1::text::regclass AND contype = 'c'
            """,
            table,
        )
    finally:
        await connection.close()
    (check,) = [check for (check,) in checks if re.match(r"CHECK \(\((status|state) = ANY", check)]
    assert set(re.findall(r"'(\w+)'::text", check)) == states, (
        "a state needs a migration that widens the constraint"
    )


async def test_the_index_of_due_orders_has_the_condition_that_statements_ask_for(
    database_url: Callable[..., str],
) -> None:
    expression = driving._IS_LOCAL.replace("o.", "")
    connection = await asyncpg.connect(database_url("orders"))
    try:
        await connection.execute(
            f"CREATE TABLE alike (LIKE orders); CREATE INDEX asked ON alike (({expression}))"
        )
        asked, there = [
            await connection.fetchval("SELECT pg_get_indexdef($1::text::regclass, 1, false)", index)
            for index in ("asked", "orders_due")
        ]
    finally:
        await connection.close()
    assert there == asked, "LOCAL_STEPS has changed: make the index anew in a migration"


def test_what_ends_an_order_or_payment_is_what_nothing_follows() -> None:
    assert [s for s in OrderStatus if s.terminal] == [
        s for s in OrderStatus if not transitions.TRANSITIONS[s]
    ]
    assert [s for s in PaymentStatus if s.terminal] == [
        s for s in PaymentStatus if not payments.TRANSITIONS[s]
    ]


def test_what_can_be_cancelled_may_become_cancelled() -> None:
    assert [s for s in OrderStatus if s.cancellable] == [
        s for s in OrderStatus if OrderStatus.CANCELLED in transitions.TRANSITIONS[s]
    ]


def test_every_refusal_of_the_provider_leads_to_a_state() -> None:
    assert set(payments.BY_PROVIDER_STATUS) == set(ChargeStatus)


def test_staff_may_move_an_order_to_every_state_of_the_warehouse() -> None:
    assert {OrderStatus(s) for s in FulfilmentStatus} == set(transitions.FULFILMENT_STEPS.values())


def test_states_are_written_as_literals_and_words() -> None:
    assert sql(OrderStatus.CONFIRMED, OrderStatus.SHIPPED) == "'confirmed', 'shipped'"
    assert label(PaymentStatus.PARTIALLY_REFUNDED) == "partially refunded"


@pytest.mark.parametrize("kind", STATES, ids=lambda kind: kind.__name__)
def test_every_state_has_a_colour_and_an_end_or_none(kind: type[OrderStatus]) -> None:
    assert {type(status.tone) for status in kind} == {Tone}
    assert {status.terminal for status in kind} == {False, True}


def test_pages_get_every_state_with_its_meaning() -> None:
    module = page_states.module().decode()
    for kind in STATES:
        for status in kind:
            assert f'"{status.name}":"{status}"' in module
    assert (
        '"pending":{"label":"pending","terminal":false,"cancellable":true,"tone":"warn"}' in module
    )
    assert '"partially_refunded":{"label":"partially refunded","holdsMoney":true,' in module
