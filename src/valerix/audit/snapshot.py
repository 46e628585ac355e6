"""The data of one inspection: every database as its service sees it, and temporary tables.

Services never share a database, so a rule that joins two of them joins copies: the facts of
payments, inventory and the provider are streamed into temporary tables in the database of orders.
That costs a few hundred bytes and a few microseconds per order, and every rule stays one statement.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, TypeVar

import asyncpg
from asyncpg.connection import Connection

from valerix.contracts.states import (
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReservationStatus,
    sql,
)
from valerix.psp.schemas import LedgerCharge

S = TypeVar("S", OrderStatus, PaymentStatus)

STATEMENT_SECONDS: Final = 900
WAITING: Final = "waiting"
"""State in `reservation_facts` of an order on inventory's waiting list."""
MAX_SHOWN: Final = 1000
HORIZON: Final = timedelta(days=1)
"""Period before now for which delivery is checked: every scan of a history costs time.

Consumers keep the effects of events for longer.
"""
DELIVERY_FACTOR: Final = 4
"""Time an event may take to its consumers, in steps of an order: two minutes by default."""
SESSION: Final = {"jit": "off", "work_mem": "64MB", "temp_buffers": "64MB", "enable_sort": "off"}
"""Histories are read in key order: sorting fifty million events takes as much disk as they do."""

ReadLedger = Callable[[], AsyncIterator[list[LedgerCharge]]]
"""Yields the provider's charges, one page at a time."""


class Sources(NamedTuple):
    """Where the data of a stack is. `databases`: a URL by service."""

    databases: Mapping[str, str]
    ledger: ReadLedger


class Period(NamedTuple):
    """A period from `since` (inclusive) to `until` (exclusive)."""

    since: datetime
    until: datetime


class Violation(NamedTuple):
    """One violation of a rule. `subject` names the same thing in every inspection."""

    subject: str
    what: str


class Finding(NamedTuple):
    """The number of violations `found` among `checked`, and at most MAX_SHOWN of them."""

    checked: int
    found: int
    violations: list[Violation]


def together(findings: Sequence[Finding]) -> Finding:
    """Combine the findings of one rule in several databases."""
    shown = [violation for finding in findings for violation in finding.violations]
    return Finding(
        sum(f.checked for f in findings), sum(f.found for f in findings), shown[:MAX_SHOWN]
    )


def decide(alias: str, conditions: Mapping[S, str]) -> str:
    """Return SQL that applies the condition of the status of the row `alias`.

    Raises ValueError if a status has no condition.
    """
    if missing := set(type(next(iter(conditions)))) - conditions.keys():
        raise ValueError(f"no condition for {', '.join(sorted(missing))}")
    cases = " ".join(
        f"WHEN {sql(state)} THEN {condition}" for state, condition in conditions.items()
    )
    return f"CASE {alias}.status {cases} END"


class AuditSnapshot:
    """The data of one inspection.

    `unfinished_after_seconds`: age from which unfinished work counts as stuck. `delivered`: the
    period whose events must all have arrived. An event may take longer than a step of an order,
    because the bus has a backlog of its own.
    """

    def __init__(
        self, connections: Mapping[str, Connection], unfinished_after_seconds: float
    ) -> None:
        self._connections = connections
        self.unfinished_after_seconds = unfinished_after_seconds
        now = datetime.now(UTC)
        self.delivered = Period(
            now - HORIZON, now - DELIVERY_FACTOR * timedelta(seconds=unfinished_after_seconds)
        )

    @classmethod
    @asynccontextmanager
    async def gather(
        cls, sources: Sources, unfinished_after_seconds: float
    ) -> AsyncIterator["AuditSnapshot"]:
        """Connect and fill the temporary tables.

        Raises OSError, asyncpg.PostgresError, CallFailed.
        """
        async with AsyncExitStack() as stack:
            connections = {
                name: await _connect(stack, url) for name, url in sources.databases.items()
            }
            await _fill(connections, sources.ledger)
            yield cls(connections, unfinished_after_seconds)

    def connection(self, service: str) -> Connection:
        """Return the connection to the service's database.

        Temporary tables last as long as the snapshot.
        """
        return self._connections[service]

    async def copy(
        self, source: str, query: str, target: str, table: str, *arguments: object
    ) -> None:
        """Copy rows of one service into a temporary table in the database of another."""
        await _copy(self._connections[source], query, self._connections[target], table, *arguments)

    async def find(
        self, service: str, *, checked: str, violations: str, arguments: tuple[object, ...] = ()
    ) -> Finding:
        """Run the statements of a rule.

        `checked` counts the rows examined; `violations` selects (subject, what).
        """
        connection = self._connections[service]
        rows = await connection.fetch(
            f"""
            SELECT subject, what, count(*) OVER () FROM ({violations}) v
            ORDER BY subject LIMIT {MAX_SHOWN}
            """,
            *arguments,
        )
        found = [Violation(subject, what) for subject, what, _ in rows]
        return Finding(await connection.fetchval(checked), rows[0][2] if rows else 0, found)


async def _connect(stack: AsyncExitStack, url: str) -> Connection:
    connection = await asyncpg.connect(
        url, timeout=5, command_timeout=STATEMENT_SECONDS, server_settings=SESSION
    )
    stack.push_async_callback(connection.close)
    return connection


# --- temporary tables in the database of orders

_TABLES = """
CREATE TEMPORARY TABLE payment_facts (
    order_id text, provider_reference text, status text, currency text, captured_minor bigint,
    refunding_minor bigint, refunded_minor bigint, by_hand_minor bigint, by_hand_at timestamptz);
CREATE TEMPORARY TABLE reservation_facts (order_id text, state text);
CREATE TEMPORARY TABLE charge_facts (
    reference text, status text, currency text, amount_minor bigint, refunded_minor bigint,
    captures integer);
CREATE TEMPORARY TABLE act_facts (service text, id uuid, act text);
CREATE TEMPORARY TABLE audit_facts (id uuid);
"""
ACTING: Final = ("orders", "inventory", "payments", "notifications")
"""Services with a table of acts, that of the temporary tables first."""
# A refund by hand has the fingerprint of its request; a refund by the saga has none.
_PAYMENTS = f"""
SELECT p.order_id, p.provider_reference, p.status, p.currency, p.captured_minor, p.refunding_minor,
       p.refunded_minor, coalesce(r.by_hand, 0)::bigint, r.by_hand_at
FROM payments p LEFT JOIN (
    SELECT payment_id, sum(amount_minor) AS by_hand, max(updated_at) AS by_hand_at FROM refunds
    WHERE status = {sql(RefundStatus.SUCCEEDED)} AND fingerprint <> '' GROUP BY payment_id
) r ON r.payment_id = p.id
"""
# While an order waits for stock, its reservation only keeps its place.
_RESERVATIONS = f"""
SELECT order_id, state FROM reservations WHERE state <> {sql(ReservationStatus.ABSENT)}
UNION ALL SELECT order_id, '{WAITING}' FROM waiting_orders
"""


async def _fill(connections: Mapping[str, Connection], ledger: ReadLedger) -> None:
    target = connections["orders"]
    await target.execute(_TABLES)
    await _copy(connections["payments"], _PAYMENTS, target, "payment_facts")
    await _copy(connections["inventory"], _RESERVATIONS, target, "reservation_facts")
    await target.execute(f"INSERT INTO act_facts {_acts('orders')}")
    for service in ACTING[1:]:
        await _copy(connections[service], _acts(service), target, "act_facts")
    await _copy(
        connections["users"], "SELECT id FROM audit WHERE service <> 'users'", target, "audit_facts"
    )
    async for charges in ledger():
        await target.copy_records_to_table(
            "charge_facts",
            records=[
                (c.reference, c.status, c.currency, c.amount_minor, c.refunded_minor, c.captures)
                for c in charges
            ],
        )
    await target.execute("ANALYZE payment_facts, reservation_facts, charge_facts")


def _acts(service: str) -> str:
    """Return SQL for the acts that were published to the audit."""
    return f"SELECT '{service}'::text, id, act FROM acts WHERE emitted"


async def _copy(
    source: Connection, query: str, target: Connection, table: str, *arguments: object
) -> None:
    """Stream the rows across as they arrive, without decoding them."""
    pipe: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)

    async def read() -> None:
        try:
            await source.copy_from_query(query, *arguments, output=pipe.put, format="binary")
        finally:
            await pipe.put(None)

    async def chunks() -> AsyncIterator[bytes]:
        while (chunk := await pipe.get()) is not None:
            yield chunk

    await asyncio.gather(read(), target.copy_to_table(table, source=chunks(), format="binary"))
