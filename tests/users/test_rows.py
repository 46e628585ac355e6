"""Written rows are read back. Each column has another value, so swapped columns are noticed."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from valerix.chassis.messaging.outbox import Entry
from valerix.chassis.postgres.database import Database, Transaction
from valerix.contracts.ids import new_id
from valerix.users.domain import AuditEntry, AuditFilter, Session, UsedToken, User
from valerix.users.repository import accounts, audit, sessions

FIRST, SECOND, THIRD = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3))


@pytest.fixture
async def tx(database_url: Callable[..., str]) -> AsyncIterator[Transaction]:
    async with Database.open(database_url("users"), 1) as database, database.transaction() as tx:
        yield tx


async def now(tx: Transaction) -> datetime:
    moment: datetime = await tx.fetchval("SELECT now()")
    return moment


async def user(tx: Transaction, number: int, customer_number: str | None) -> User:
    """A user with times that differ from those of the statement."""
    role, status = ("operator", "active") if customer_number is None else ("customer", "suspended")
    values = {"email": f"email-{number}", "name": f"name-{number}", "role": role, "status": status}
    user_id, moment = new_id(), await now(tx)
    begun = User(
        **values,
        id=user_id,
        customer_number=customer_number,
        version=1,
        created_at=moment,
        updated_at=moment,
        email_confirmed=False,
    )
    made = await accounts.insert_user(
        tx, user_id, **values, customer_number=customer_number, password_hash=f"hash-{number}"
    )
    assert made == begun
    await tx.execute(
        "UPDATE users SET created_at = $2, updated_at = $3 WHERE id = $1", user_id, FIRST, SECOND
    )
    return replace(begun, created_at=FIRST, updated_at=SECOND)


@pytest.mark.parametrize("customer_number", ["CUST-001", None])
async def test_users(tx: Transaction, customer_number: str | None) -> None:
    begun = await user(tx, 1, customer_number)
    assert await accounts.find_user(tx, begun.id, None) == begun
    found = await accounts.find_credentials(tx, "email-1")
    assert found is not None
    assert (found.user, found.password_hash, len(found.device_secret)) == (begun, "hash-1", 32)
    assert await accounts.hold_credentials(tx, begun.id) == found
    renamed = replace(begun, name="name-2", email="email-2", version=2, updated_at=await now(tx))
    assert await accounts.update_profile(tx, begun.id, "name-2", "email-2", 1) == renamed


async def test_the_history_of_a_user(tx: Transaction) -> None:
    begun = await user(tx, 1, None)
    await accounts.append_event(tx, begun.id, 7, "kind", '{"data":1}', "actor", "trace")
    entry = Entry(1, "kind", begun.id, 7, await now(tx), "trace", '{"data":1}')
    assert await accounts.list_outgoing(tx, 10) == [entry]
    assert await tx.fetchval("SELECT actor FROM user_events") == "actor"


@pytest.mark.parametrize(("kind", "csrf"), [("cookie", "csrf"), ("token", None)])
async def test_sessions(tx: Transaction, kind: str, csrf: str | None) -> None:
    owner, session_id, moment = await user(tx, 1, None), new_id(), await now(tx)
    week = moment + timedelta(days=7)
    opened = Session(session_id, owner.id, kind, csrf, "agent", "address", moment, moment, week)
    assert opened == await sessions.insert_session(
        tx,
        session_id,
        owner.id,
        kind=kind,
        csrf=csrf,
        user_agent="agent",
        address="address",
        idle_days=7,
    )
    await tx.execute("UPDATE sessions SET created_at = $1, last_used_at = $2", SECOND, THIRD)
    assert await sessions.list_live(tx, owner.id) == [
        replace(opened, created_at=SECOND, last_used_at=THIRD)
    ]

    await sessions.insert_refresh_token(tx, b"hashed", session_id)
    assert await sessions.claim_refresh_token(tx, b"hashed") == session_id
    used = UsedToken(session_id, owner.id, kind, just_now=True)
    assert await sessions.find_used_token(tx, b"hashed", 10) == used


async def test_the_audit_trail(tx: Transaction) -> None:
    full = AuditEntry(
        new_id(),
        "action",
        "actor",
        "subject",
        "session",
        "address",
        "agent",
        "trace",
        {"detail": 1},
    )
    bare = AuditEntry(new_id(), "action-2", None, None, None, "address-2", "agent-2", "trace-2")
    for entry in (full, bare):
        await audit.append(tx, entry)
    found = await audit.list_entries(tx, AuditFilter(10, None, None, None, None, None, None, None))
    moment = await now(tx)
    assert found == [replace(bare, occurred_at=moment), replace(full, occurred_at=moment)]
