"""History: what happened to each order, payment and user is told without a gap, and could have happened."""

from typing import Final

from valerix.audit.evidence import Evidence, Finding
from valerix.orders import domain as orders
from valerix.payments import domain as payments

_LEGAL_ORDERS: Final = sorted({("", "pending"), *((a, b) for a, after in orders.TRANSITIONS.items() for b in after)})
_LEGAL_PAYMENTS: Final = sorted((a, b) for a, after in payments.TRANSITIONS.items() for b in after)

# An event's name tells the state it leads to; those that only remark something (delayed, changed) lead nowhere.
_ORDER_STATUS: Final = """
    CASE type WHEN 'order.created' THEN 'pending' WHEN 'order.held' THEN 'pending' WHEN 'order.delayed' THEN NULL
              WHEN 'order.changed' THEN NULL ELSE substr(type, 7) END
"""
_PAYMENT_STATUS: Final = """
    CASE type WHEN 'payment.refunded' THEN data ->> 'status' WHEN 'payment.refund_failed' THEN NULL
              ELSE substr(type, 9) END
"""


async def orders_have_gap_free_legal_histories(evidence: Evidence) -> Finding:
    """Versions count up from 1 to the order's own, each state may follow the one before, the last is the order's."""
    return await evidence.find(
        "orders",
        checked="SELECT count(*) FROM order_events",
        violations=_history("orders", "order_events", "order_id", _ORDER_STATUS, "''"),
        arguments=_pairs(_LEGAL_ORDERS),
    )


async def payments_have_gap_free_legal_histories(evidence: Evidence) -> Finding:
    """The same of payments, whose first state (`processing`) is told by no event."""
    return await evidence.find(
        "payments",
        checked="SELECT count(*) FROM payment_events",
        violations=_history("payments", "payment_events", "payment_id", _PAYMENT_STATUS, "'processing'"),
        arguments=_pairs(_LEGAL_PAYMENTS),
    )


async def users_have_gap_free_histories(evidence: Evidence) -> Finding:
    """Versions count up from 1 to the user's own."""
    return await evidence.find(
        "users",
        checked="SELECT count(*) FROM user_events",
        violations="""
        SELECT coalesce(u.id, e.user_id)::text AS subject,
               format('version %s; %s events, from %s to %s', u.version, e.n, e.first, e.last) AS what
        FROM users u FULL JOIN (
            SELECT user_id, count(*) AS n, min(version) AS first, max(version) AS last FROM user_events GROUP BY user_id
        ) e ON e.user_id = u.id
        WHERE (u.version, u.version::bigint, 1) IS DISTINCT FROM (e.last, e.n, e.first)
        """,
    )


async def answers_can_be_repeated(evidence: Evidence) -> Finding:
    """Whoever repeats a request gets the same bytes: they are there, whole or in the event they were taken from."""
    return await evidence.find(
        "orders",
        checked="SELECT count(*) FROM orders WHERE answer_status IS NOT NULL",
        violations="""
        SELECT o.id::text AS subject, format('answer %s of version %s is gone', answer_status, answer_version) AS what
        FROM orders o LEFT JOIN order_events e ON e.order_id = o.id AND e.version = o.answer_version
        WHERE o.answer_status IS NOT NULL AND o.answer_body IS NULL AND e.order_id IS NULL
        """,
    )


def _history(table: str, events: str, subject: str, status: str, first: str) -> str:
    """`first`: the state before the first event."""
    return f"""
        WITH told AS (
            SELECT {subject} AS id, version, {status} AS status,
                   row_number() OVER (PARTITION BY {subject} ORDER BY version) AS place
            FROM {events}
        ), gaps AS (
            SELECT id, min(version) AS gap FROM told WHERE version <> place GROUP BY id
        ), moved AS (
            SELECT id, version, status, lag(status, 1, {first}) OVER steps AS before,
                   lead(version) OVER steps IS NULL AS last
            FROM told WHERE status IS NOT NULL WINDOW steps AS (PARTITION BY id ORDER BY version)
        ), illegal AS (
            SELECT id, min(before || ' became ' || status) AS jump FROM moved
            WHERE NOT EXISTS (SELECT FROM unnest($1::text[], $2::text[]) AS legal (a, b)
                              WHERE a = moved.before AND b = moved.status)
            GROUP BY id
        ), versions AS (
            SELECT id, max(version) AS last FROM told GROUP BY id
        )
        SELECT coalesce(t.id, v.id)::text AS subject,
               concat_ws('; ', CASE WHEN t.id IS NULL THEN 'there is only its history' END,
                         'no event before version ' || g.gap, i.jump,
                         CASE WHEN t.version <> coalesce(v.last, 0)
                              THEN format('version %s, last event %s', t.version, v.last) END,
                         CASE WHEN m.status <> t.status THEN format('it is %s, told was %s', t.status, m.status) END
               ) AS what
        FROM {table} t
            FULL JOIN versions v ON v.id = t.id
            LEFT JOIN gaps g ON g.id = coalesce(t.id, v.id)
            LEFT JOIN illegal i ON i.id = coalesce(t.id, v.id)
            LEFT JOIN moved m ON m.id = t.id AND m.last
        WHERE t.id IS NULL OR g.id IS NOT NULL OR i.id IS NOT NULL OR t.version <> coalesce(v.last, 0)
           OR coalesce(m.status, nullif({first}, '')) IS DISTINCT FROM t.status
    """  # noqa: S608 - names and expressions of this module


def _pairs(legal: list[tuple[str, str]]) -> tuple[object, ...]:
    return [a for a, _ in legal], [b for _, b in legal]
