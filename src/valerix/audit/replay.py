"""Publishes histories again after the bus has lost events, through the outboxes and their relays.

Each consumer recognises by its effects which events it has processed before: a notification by its
occasion, a reservation by its state, a contact by its sequence, an act by its id. Each page is one
statement. So a replay may end at any moment and may be repeated. ADR 30 lists the events that no
history has.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import asyncpg
from asyncpg.connection import Connection

from valerix.audit.low_stock import LOW_STOCK
from valerix.audit.snapshot import Period
from valerix.contracts.acts import STOCK_RESERVED
from valerix.contracts.events import (
    ACT_SOURCES,
    ACTS,
    BY_SOURCE,
    INVENTORY,
    INVENTORY_LOW_STOCK,
    INVENTORY_RESERVATION_READY,
    ORDERS,
    PAYMENTS,
    TOPICS,
    USERS,
)

PAGE: Final = 500
"""Number of events that one statement queues."""
MESSAGE: Final = 50
"""Number of events in one message."""
MAX_WAITING: Final = 20
"""Rows in an outbox above which the next page waits, so that new events are not delayed long."""
POLL_SECONDS: Final = 0.1
STALLED_SECONDS: Final = 60.0
STATEMENT_SECONDS: Final = 900
FIRST_ID: Final = "00000000-0000-0000-0000-000000000000"


class OutboxStalled(Exception):
    """A relay or the bus does not work. The outbox is published once both work again."""


class Queued(NamedTuple):
    """Progress: number of `events` of a topic queued so far, in the outbox of one service."""

    topic: str
    service: str
    events: int


class Paged(NamedTuple):
    """A statement over (since, until, *arguments, *after).

    Its row has the number of events queued and, if more may follow, the values of `after` for the
    next page. No row: no events are left.
    """

    statement: str
    arguments: tuple[object, ...] = ()
    after: tuple[object, ...] = ()


async def replay(
    databases: Mapping[str, str],
    period: Period,
    topics: Sequence[str] = TOPICS,
    *,
    stalled_seconds: float = STALLED_SECONDS,
) -> AsyncIterator[Queued]:
    """Queue the events of a period again, page by page. `databases`: a URL by service.

    Raises OutboxStalled if an outbox publishes nothing for `stalled_seconds`; OSError,
    asyncpg.PostgresError.
    """
    for topic in topics:
        for service in ACT_SOURCES if topic == ACTS else (topic,):
            async with _connected(databases[service]) as connection:
                count = 0
                async for events in _queue(connection, period, topic):
                    count += events
                    yield Queued(topic, service, count)
                    await _leave(connection, topic, service, stalled_seconds)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    # Histories are read in the order of their keys: with a sort, each page would cost as much as
    # all pages.
    settings = {"jit": "off", "enable_sort": "off"}
    connection = await asyncpg.connect(
        url, timeout=5, command_timeout=STATEMENT_SECONDS, server_settings=settings
    )
    try:
        yield connection
    finally:
        await connection.close()


async def _queue(connection: Connection, period: Period, topic: str) -> AsyncIterator[int]:
    """Queue the events of a topic; yield the number of events of each page."""
    for paged in _statements(topic):
        after: list[Any] = [*paged.after]
        while row := await connection.fetchrow(paged.statement, *period, *paged.arguments, *after):
            events, *after = row.values()
            if events:
                yield events
            if not after:
                break


async def _leave(connection: Connection, topic: str, service: str, stalled_seconds: float) -> None:
    """Wait until the outbox is nearly empty.

    New rows arrive meanwhile, so progress means that the first row has left. Raises OutboxStalled.
    """
    waiting = _ACTS_WAITING if topic == ACTS else _ROWS_WAITING
    ((left, first),) = await connection.fetch(waiting)
    since = time.monotonic()
    while left > MAX_WAITING:
        if time.monotonic() - since > stalled_seconds:
            raise OutboxStalled(
                f"{left} messages wait in the outbox of {service}, and the first is not published"
            )
        await asyncio.sleep(POLL_SECONDS)
        before = first
        ((left, first),) = await connection.fetch(waiting)
        if first != before:
            since = time.monotonic()


# --- statements

_ROWS_WAITING: Final = "SELECT count(*), min(id) FROM outbox"
_ACTS_WAITING: Final = "SELECT count(*), min(number) FROM acts WHERE NOT emitted"


def _statements(topic: str) -> Iterator[Paged]:
    if topic == INVENTORY:
        yield Paged(_LOW_STOCK)
        yield Paged(_READY)
    elif topic == ACTS:
        yield Paged(_ACTS, after=(0,))
    else:
        yield Paged(_history(*HISTORIES[topic]), (BY_SOURCE[topic],), (FIRST_ID, 0))


HISTORIES: Final = {
    ORDERS: ("order_events", "order_id"),
    PAYMENTS: ("payment_events", "payment_id"),
    USERS: ("user_events", "user_id"),
}
"""Tables of events, with the column of their subject, by topic."""


def _history(table: str, subject: str) -> str:
    return f"""
        WITH page AS MATERIALIZED (
            SELECT {subject} AS subject, version FROM {table}
            WHERE occurred_at >= $1 AND occurred_at < $2 AND type = ANY($3::text[])
              AND ({subject}, version) > ($4::uuid, $5::integer)
            ORDER BY {subject}, version LIMIT {PAGE}
        ), numbered AS (
            SELECT *, row_number() OVER (ORDER BY subject, version) - 1 AS place FROM page
        ), queued AS (
            INSERT INTO outbox (subjects, versions)
            SELECT array_agg(subject ORDER BY place), array_agg(version ORDER BY place)
            FROM numbered GROUP BY place / {MESSAGE} ORDER BY min(place)
        )
        SELECT count(*) OVER () AS events, subject::text, version FROM page
        ORDER BY page.subject DESC, version DESC LIMIT 1
    """


_ACTS: Final = f"""
    WITH page AS MATERIALIZED (
        SELECT number FROM acts
        WHERE emitted AND occurred_at >= $1 AND occurred_at < $2 AND number > $3
        ORDER BY number LIMIT {PAGE}
    ), queued AS (
        UPDATE acts SET emitted = false FROM page WHERE acts.number = page.number
    )
    SELECT count(*) OVER () AS events, number FROM page ORDER BY number DESC LIMIT 1
"""


def _rebuilt(events: str) -> str:
    """Return SQL that queues events of inventory in the form of its outbox.

    `events` selects (name, subject, seq, time, trace_id, data).
    """
    return f"""
        , event AS (
            SELECT *, row_number() OVER (ORDER BY time, subject) - 1 AS place FROM ({events}) e
        ), queued AS (
            INSERT INTO outbox (events)
            SELECT json_agg(
                json_build_array(name, subject, seq, time, trace_id, data) ORDER BY place)
            FROM event GROUP BY place / {MESSAGE} ORDER BY min(place)
        )
        SELECT count(*) AS events FROM event
    """


_LOW_STOCK: Final = f"WITH {LOW_STOCK}" + _rebuilt(
    f"""
    SELECT '{INVENTORY_LOW_STOCK}' AS name, sku || '/' || warehouse_id AS subject, seq,
           occurred_at AS time, trace_id,
           json_build_object('productId', sku, 'warehouseId', warehouse_id, 'kind', kind,
                             'onHand', on_hand_after, 'reserved', reserved_after,
                             'availableInAll', available, 'delivery', delivery,
                             'orderId', order_id) AS data
    FROM low
    """
)
# Only for orders that still wait; orders that have continued need no event.
_READY: Final = f"""
    WITH ready AS (
        SELECT order_id, version AS seq, clock_timestamp() AS time, trace_id
        FROM waiting_orders WHERE missing = 0
        UNION ALL
        SELECT subject, 0, occurred_at, trace_id FROM acts
        WHERE act = '{STOCK_RESERVED}' AND occurred_at >= $1 AND occurred_at < $2
    )
""" + _rebuilt(
    f"""
    SELECT '{INVENTORY_RESERVATION_READY}' AS name, order_id AS subject, seq, time, trace_id,
           json_build_object('orderId', order_id) AS data
    FROM ready
    """
)
