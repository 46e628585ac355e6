"""Flow: no work is stuck, every event was published, and acknowledged commits are durable."""

from typing import Final

from valerix.audit.snapshot import ACTING, AuditSnapshot, Finding, together
from valerix.contracts.states import OrderStatus, PaymentStatus, RefundStatus, sql

WITH_OUTBOX: Final = ("orders", "inventory", "payments", "users")
"""Services with an outbox."""
WITH_INBOX: Final = ("orders", "inventory", "notifications", "users")
"""Services with an inbox."""


async def nothing_is_unfinished(snapshot: AuditSnapshot) -> Finding:
    """Check that no order is stuck, and no payment or refund lacks an outcome.

    An order is stuck if it is overdue, or if it is pending without waiting for its customer.
    """
    age = (snapshot.unfinished_after_seconds,)
    orders = await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM orders",
        violations=f"""
        SELECT id::text AS subject,
               format('%s since %s, due %s, %s attempts: %s', status, updated_at, due_at, attempts,
                      coalesce(error_code, 'no reason stated')) AS what
        FROM orders
        WHERE due_at < now() - make_interval(secs => $1)
           OR status = {sql(OrderStatus.PENDING)}
              AND error_code IS DISTINCT FROM 'insufficient_stock'
              AND created_at < now() - make_interval(secs => $1)
        """,
        arguments=age,
    )
    payments = await snapshot.find(
        "payments",
        checked="SELECT count(*) FROM payments",
        violations=f"""
        SELECT id::text AS subject, format('outcome not known since %s', created_at) AS what
        FROM payments
        WHERE status = {sql(PaymentStatus.PROCESSING)}
          AND created_at < now() - make_interval(secs => $1)
        UNION ALL
        SELECT id::text, format('refund not finished since %s', created_at)
        FROM refunds
        WHERE status = {sql(RefundStatus.PENDING)}
          AND created_at < now() - make_interval(secs => $1)
        """,
        arguments=age,
    )
    return together([orders, payments])


async def outboxes_are_drained(snapshot: AuditSnapshot) -> Finding:
    """Check that every event was published.

    Each outbox counts as checked; a row that stays is a violation.
    """
    found = [
        await snapshot.find(
            service,
            checked="SELECT 1",
            violations=f"""
            SELECT '{service} #' || id AS subject, 'still in the outbox' AS what FROM outbox
            """,
        )
        for service in WITH_OUTBOX
    ]
    acts = [
        await snapshot.find(
            service,
            checked="SELECT 1",
            violations=f"""
            SELECT '{service} act #' || number AS subject, 'not emitted yet' AS what
            FROM acts WHERE NOT emitted
            """,
        )
        for service in ACTING
    ]
    return together([*found, *acts])


async def dead_letters(snapshot: AuditSnapshot) -> Finding:
    """List events that could not be processed and wait for their cause to be fixed.

    They are no violation.
    """
    found = [
        await snapshot.find(
            service,
            checked="SELECT count(*) FROM dead_letters",
            violations=f"""
            SELECT '{service} #' || id AS subject, consumer || ': ' || error AS what
            FROM dead_letters WHERE replayed_at IS NULL
            """,
        )
        for service in WITH_INBOX
    ]
    return together(found)


async def commits_are_durable(snapshot: AuditSnapshot) -> Finding:
    """Check that the running server syncs every commit to disk before it acknowledges it."""
    return await snapshot.find(
        "orders",
        checked="SELECT 3",
        violations="""
        SELECT name AS subject, format('%s is %s', name, setting) AS what FROM pg_settings
        WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
          AND setting NOT IN ('on', 'remote_apply')
        """,
    )
