"""History: the events of each order, payment and user have no gap, and each transition is legal."""

from collections.abc import Sequence
from typing import Final

from valerix.audit.snapshot import AuditSnapshot, Finding, together
from valerix.contracts.events import ORDER_CREATED, ORDER_HELD, ORDER_REFUNDED
from valerix.contracts.states import OrderStatus, PaymentStatus, sql
from valerix.orders.decisions import CHANGED, DELAYED, STILL_HELD
from valerix.orders.transitions import TRANSITIONS
from valerix.payments import domain as payments

_LEGAL_ORDERS: Final = sorted(
    {("", OrderStatus.PENDING), *((a, b) for a, after in TRANSITIONS.items() for b in after)}
)
_LEGAL_PAYMENTS: Final = sorted((a, b) for a, after in payments.TRANSITIONS.items() for b in after)

# An event's name states the status it leads to. Events such as delayed or refunded lead to none.
_ORDER_STATUS: Final = f"""
    CASE WHEN type IN ('{ORDER_CREATED}', '{ORDER_HELD}') THEN {sql(OrderStatus.PENDING)}
         WHEN type IN ('{DELAYED}', '{CHANGED}', '{STILL_HELD}', '{ORDER_REFUNDED}') THEN NULL
         ELSE substr(type, 7) END
"""
_PAYMENT_STATUS: Final = """
    CASE type WHEN 'payment.refunded' THEN data ->> 'status' WHEN 'payment.refund_failed' THEN NULL
              ELSE substr(type, 9) END
"""
_FIRST_PAYMENT_STATUS: Final = f"{sql(PaymentStatus.PROCESSING)}::text"


async def orders_have_gap_free_legal_histories(snapshot: AuditSnapshot) -> Finding:
    """Check that an order's versions have no gap, and its transitions are legal.

    Versions count from 1 to the order's own, and the last status is the order's.
    """
    return await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM order_events",
        violations=_history("orders", "order_events", "order_id", _ORDER_STATUS, "''::text"),
        arguments=_pairs(_LEGAL_ORDERS),
    )


async def payments_have_gap_free_legal_histories(snapshot: AuditSnapshot) -> Finding:
    """Check the same for payments, whose first status (`processing`) has no event."""
    return await snapshot.find(
        "payments",
        checked="SELECT count(*) FROM payment_events",
        violations=_history(
            "payments", "payment_events", "payment_id", _PAYMENT_STATUS, _FIRST_PAYMENT_STATUS
        ),
        arguments=_pairs(_LEGAL_PAYMENTS),
    )


async def acts_of_staff_are_on_record(snapshot: AuditSnapshot) -> Finding:
    """Check that each change by hand has its act, and that each published act is in the audit.

    Only changes since the migration that introduced acts are checked.
    """
    refunds = await snapshot.find(
        "payments",
        checked="SELECT count(*) FROM acts",
        violations=f"""
        SELECT id::text AS subject, 'refunded by hand, without an act' AS what FROM refunds
        WHERE fingerprint <> '' AND created_at > {_since("acts")}
          AND NOT EXISTS (SELECT FROM acts WHERE what ->> 'refundId' = refunds.id::text)
        """,
    )
    movements = await snapshot.find(
        "inventory",
        checked="SELECT count(*) FROM acts",
        violations=f"""
        SELECT format('%s in %s #%s', sku, warehouse_id, seq) AS subject,
               kind || ' by hand, without an act' AS what
        FROM movements m
        WHERE kind IN ('adjust', 'update') AND occurred_at > {_since("acts")}
          AND NOT EXISTS (SELECT FROM acts a WHERE a.trace_id = m.trace_id AND a.actor = m.actor)
        """,
    )
    audited = await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM act_facts",
        violations="""
        SELECT format('%s act %s', service, id) AS subject,
               act || ' has left, and is not in the audit' AS what
        FROM act_facts
        WHERE NOT EXISTS (SELECT FROM audit_facts WHERE audit_facts.id = act_facts.id)
        """,
    )
    return together([refunds, movements, audited])


def _since(migration: str) -> str:
    """Return SQL for the time at which the migration of that name was applied."""
    return f"(SELECT applied_at FROM schema_migrations WHERE name LIKE '%\\_{migration}.sql')"


async def users_have_gap_free_histories(snapshot: AuditSnapshot) -> Finding:
    """Check that versions count from 1 to the user's own."""
    return await snapshot.find(
        "users",
        checked="SELECT count(*) FROM user_events",
        violations="""
        SELECT coalesce(u.id, e.user_id)::text AS subject,
               format('version %s; %s events, from %s to %s', u.version, e.n, e.first, e.last)
                   AS what
        FROM users u FULL JOIN (
            SELECT user_id, count(*) AS n, min(version) AS first, max(version) AS last
            FROM user_events GROUP BY user_id
        ) e ON e.user_id = u.id
        WHERE (u.version, u.version::bigint, 1) IS DISTINCT FROM (e.last, e.n, e.first)
        """,
    )


async def answers_can_be_repeated(snapshot: AuditSnapshot) -> Finding:
    """Check that a repeated request gets the same bytes.

    The answer is stored in full, or as the event that contains it.
    """
    return await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM orders WHERE answer_status IS NOT NULL",
        violations="""
        SELECT o.id::text AS subject,
               format('answer %s of version %s is gone', answer_status, answer_version) AS what
        FROM orders o
            LEFT JOIN order_events e ON e.order_id = o.id AND e.version = o.answer_version
        WHERE o.answer_status IS NOT NULL AND o.answer_body IS NULL AND e.order_id IS NULL
        """,
    )


def _history(table: str, events: str, subject: str, status: str, before: str) -> str:
    """Return SQL that finds gaps and illegal transitions.

    `before`: the status before the first event. Versions are unique, so there is no gap if the
    number of events equals the last version.
    """
    return f"""
        WITH told AS MATERIALIZED (
            SELECT {subject} AS id, count(*) AS events, min(version) AS first, max(version) AS last,
                   array_agg(status ORDER BY version) FILTER (WHERE status IS NOT NULL) AS path
            FROM (SELECT {subject}, version, {status} AS status FROM {events}) e GROUP BY {subject}
        ), illegal AS (
            SELECT path, jumps FROM (SELECT DISTINCT path FROM told) ways CROSS JOIN LATERAL (
                SELECT string_agg(a || ' became ' || b, ', ') AS jumps
                FROM unnest({before} || path[:cardinality(path) - 1], path) AS step (a, b)
                WHERE (a, b) NOT IN (SELECT * FROM unnest($1::text[], $2::text[]))
            ) steps WHERE jumps IS NOT NULL
        )
        SELECT coalesce(t.id, h.id)::text AS subject,
               format('%s, version %s; %s events, versions %s to %s, the last says %s; %s',
                      coalesce(t.status, 'not there'), t.version,
                      coalesce(h.events, 0), h.first, h.last,
                      h.path[cardinality(h.path)], coalesce(i.jumps, 'every step is legal')) AS what
        FROM {table} t FULL JOIN told h ON h.id = t.id LEFT JOIN illegal i ON i.path = h.path
        WHERE t.id IS NULL OR i.path IS NOT NULL OR t.version <> coalesce(h.last, 0)
           OR h.events <> h.last OR h.first <> 1
           OR t.status IS DISTINCT FROM coalesce(h.path[cardinality(h.path)], nullif({before}, ''))
    """


def _pairs(legal: Sequence[tuple[str, str]]) -> tuple[object, ...]:
    return [a for a, _ in legal], [b for _, b in legal]
