"""Delivery: each event has had its effect at each consumer; each occasion is notified once.

An outbox keeps no row of a published event, and a bus can lose events it has accepted. So histories
are compared with the data that consumers keep for good: reservations, standings of customers,
contacts, notifications. Inbox marks prove nothing, since they are pruned. Dead letters are listed
by a rule of their own. `valerix bus replay` repairs the violations found here.
"""

from datetime import timedelta
from typing import Final

from asyncpg import Record

from valerix.audit.low_stock import LOW_STOCK
from valerix.audit.replay import HISTORIES
from valerix.audit.snapshot import AuditSnapshot, Finding, together
from valerix.contracts.events import (
    BY_SOURCE,
    CUSTOMER_REGISTERED,
    CUSTOMER_UPDATED,
    INVENTORY,
    INVENTORY_LOW_STOCK,
    PREFIX,
    RESERVATION_ENDS,
    VERSION,
    Event,
)
from valerix.contracts.ids import first_id_at
from valerix.contracts.states import OrderStatus, sql
from valerix.notifications.domain import NOTIFICATIONS_BY_EVENT, occasion

# --- effects

_TABLES: Final = """
CREATE TEMPORARY TABLE customer_facts (
    event_id text, customer_id text, recipient text, sequence bigint);
CREATE TEMPORARY TABLE end_facts (event_id text, order_id text, state text);
CREATE TEMPORARY TABLE ready_facts (order_id text);
"""
_CUSTOMERS: Final = f"""
    SELECT '/valerix/users/' || user_id || ':' || max(version), data ->> 'customerId',
           coalesce(data ->> 'customerId', user_id::text), max(version)::bigint
    FROM user_events
    WHERE type IN ('{CUSTOMER_REGISTERED}', '{CUSTOMER_UPDATED}')
      AND occurred_at >= $1 AND occurred_at < $2
    GROUP BY user_id, data ->> 'customerId'
"""
_STATES: Final = ", ".join(f"('{name}', '{state}')" for name, state in RESERVATION_ENDS.items())
_ENDS: Final = f"""
    INSERT INTO end_facts
    SELECT '/valerix/orders/' || order_id || ':' || version, order_id::text, state
    FROM order_events JOIN (VALUES {_STATES}) AS ends (type, state) USING (type)
    WHERE occurred_at >= $1 AND occurred_at < $2
"""
_READY: Final = """
    SELECT order_id FROM waiting_orders w
    WHERE missing = 0 AND NOT EXISTS (
        SELECT FROM waiting_lines l JOIN movements m USING (sku)
        WHERE l.order_id = w.order_id AND m.order_id = w.order_id AND m.occurred_at >= $1)
"""


async def events_have_had_their_effects(snapshot: AuditSnapshot) -> Finding:
    """Check that consumers show the effects of every event.

    Checked are events of orders at inventory, of users at orders and notifications, and of the
    waiting list at orders.

    Acts, consumed by users, have a rule of their own. Other events lead to notifications, or leave
    no lasting effect.
    """
    await _lay_out_effects(snapshot)
    ends = await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM end_facts",
        violations="""
        SELECT event_id AS subject,
               format('the order is over, its reservation %s and not %s',
                      coalesce('is ' || r.state, 'is not there'), f.state) AS what
        FROM end_facts f LEFT JOIN reservation_facts r USING (order_id)
        WHERE r.state IS DISTINCT FROM f.state AND event_id <> ALL($1::text[])
        """,
        arguments=(await _dead(snapshot, "inventory"),),
    )
    standings = await _find_outdated(snapshot, "orders", "customers_seen", "customer_id")
    contacts = await _find_outdated(snapshot, "notifications", "contacts", "recipient")
    ready = await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM ready_facts",
        violations=f"""
        SELECT order_id AS subject,
               format('waits although its stock is ready, until %s', due_at) AS what
        FROM ready_facts JOIN orders ON id::text = order_id
        WHERE status = {sql(OrderStatus.PENDING)} AND error_code = 'insufficient_stock'
          AND cancel_reason IS NULL AND due_at > now()
        """,
    )
    return together([ends, standings, contacts, ready])


async def _find_outdated(snapshot: AuditSnapshot, service: str, copies: str, key: str) -> Finding:
    """Find users with an outdated row in the table `copies` of a service.

    `key`: the column of the facts that identifies them.
    """
    return await snapshot.find(
        service,
        checked=f"SELECT count(*) FROM customer_facts WHERE {key} IS NOT NULL",
        violations=f"""
        SELECT event_id AS subject,
               format('{service} know %s as of %s', f.{key}, coalesce(c.sequence, 0)) AS what
        FROM customer_facts f LEFT JOIN {copies} c ON c.customer_id = f.{key}
        WHERE f.{key} IS NOT NULL AND coalesce(c.sequence, 0) < f.sequence
          AND event_id <> ALL($1::text[])
        """,
        arguments=(await _dead(snapshot, service),),
    )


async def _lay_out_effects(snapshot: AuditSnapshot) -> None:
    period = snapshot.delivered
    for service in ("orders", "notifications"):
        await snapshot.connection(service).execute(_TABLES)
        await snapshot.copy("users", _CUSTOMERS, service, "customer_facts", *period)
    await snapshot.copy("inventory", _READY, "orders", "ready_facts", period.until)
    await snapshot.connection("orders").execute(_ENDS, *period)
    await snapshot.connection("orders").execute("ANALYZE end_facts, customer_facts")


async def _dead(snapshot: AuditSnapshot, consumer: str) -> list[str]:
    """Return the ids of events that wait as dead letters of a consumer."""
    rows = await snapshot.connection(consumer).fetch(
        """
        SELECT (event ->> 'source') || '/' || (event ->> 'id') AS event_id FROM dead_letters
        WHERE replayed_at IS NULL AND event ->> 'id' IS NOT NULL
        """
    )
    return [row["event_id"] for row in rows]


# --- notifications

_OCCASIONS: Final = "CREATE TEMPORARY TABLE occasion_facts (event_id text, channel text)"


async def occasions_are_notified_once(snapshot: AuditSnapshot) -> Finding:
    """Check that each event with notifications has exactly one per channel, sent or not."""
    notifications = snapshot.connection("notifications")
    await notifications.execute(_OCCASIONS)
    for topic in HISTORIES:
        await snapshot.copy(
            topic, _occasions(topic), "notifications", "occasion_facts", *snapshot.delivered
        )
    low = await snapshot.connection(INVENTORY).fetch(
        f"WITH {LOW_STOCK} SELECT * FROM low", *snapshot.delivered
    )
    records = {
        (occasion(_low_stock(row))[1], channel)
        for row in low
        for channel, _ in NOTIFICATIONS_BY_EVENT[INVENTORY_LOW_STOCK]
    }
    await notifications.copy_records_to_table("occasion_facts", records=records)
    await notifications.execute("ANALYZE occasion_facts")
    return await snapshot.find(
        "notifications",
        checked="SELECT count(*) FROM occasion_facts",
        violations="""
        WITH message AS MATERIALIZED (
            SELECT event_id, channel, count(*) AS n FROM notifications
            WHERE id >= $1::uuid AND event_id IS NOT NULL GROUP BY event_id, channel
        )
        SELECT event_id || ' ' || channel AS subject,
               format('%s notifications instead of one', coalesce(n, 0)) AS what
        FROM occasion_facts LEFT JOIN message USING (event_id, channel)
        WHERE coalesce(n, 0) <> 1 AND event_id <> ALL($2::text[])
        """,
        # Ids contain the time of their occasion; for low stock, rounded to the hour.
        arguments=(
            first_id_at(snapshot.delivered.since - timedelta(hours=1)),
            await _dead(snapshot, "notifications"),
        ),
    )


def _occasions(topic: str) -> str:
    """Return SQL for the events of a history that cause notifications, once for each channel."""
    table, subject = HISTORIES[topic]
    wanted = ", ".join(
        f"('{name}', '{channel}')"
        for name in BY_SOURCE[topic]
        for channel, _ in NOTIFICATIONS_BY_EVENT.get(name, ())
    )
    # Events of other topics always have a customer.
    owned = "data ->> 'customerId' IS NOT NULL" if topic == "payments" else "true"
    return f"""
        SELECT '/valerix/{topic}/' || {subject} || ':' || version, channel
        FROM {table} JOIN (VALUES {wanted}) AS wanted (type, channel) USING (type)
        WHERE occurred_at >= $1 AND occurred_at < $2 AND {owned}
    """


def _low_stock(row: Record) -> Event:
    place = f"{row['sku']}/{row['warehouse_id']}"
    return Event(
        id=f"{place}:{row['seq']}",
        source=f"/valerix/{INVENTORY}",
        type=f"{PREFIX}{INVENTORY_LOW_STOCK}{VERSION}",
        subject=place,
        time=row["occurred_at"],
        sequence=row["seq"],
        data={"productId": row["sku"], "delivery": row["delivery"]},
    )
