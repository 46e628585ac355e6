"""An upgrade with two replicas: both work on the expanded schema; older code does not start on the
contracted one.

The newer version is this code with further migrations.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.folders import empty_folder
from tests.support.identities import Identities
from tests.support.processes import NotStarted, Process, prepare
from tests.support.stack import Stack
from tests.support.versions import newer
from valerix.chassis.postgres.migrations import code_of, migrate

SERVICE: Final = "notifications"
NOW: Final = code_of(SERVICE)
EXPAND: Final = f"-- compatible_from: {NOW:04}\nALTER TABLE notifications ADD COLUMN note text;\n"
CONTRACT: Final = "-- compatible_from: 9001\nALTER TABLE notifications DROP COLUMN note;\n"
SENT: Final = "/api/v1/notifications"


async def send(process: Process, token: str) -> None:
    async with Api.open(process.url, token) as api:
        answer = await api.post(
            f"{SENT}/send", {"customerId": "CUST-001", "subject": "Hello", "body": "There"}
        )
    assert answer.status == 202, answer.body


@pytest.mark.full
async def test_replicas_of_two_versions_side_by_side(
    database_url: Callable[..., str], identities: Identities, tmp_path: Path
) -> None:
    url, token = database_url(SERVICE), identities.person("operator")
    expanded = newer(tmp_path / "expanded", SERVICE, _9001=EXPAND)
    contracted = newer(tmp_path / "contracted", SERVICE, _9001=EXPAND, _9002=CONTRACT)
    settings = {"database_url": url, "valkey_url": "redis://127.0.0.1:1"}
    old, new = (prepare(SERVICE, identities, **settings) for _ in range(2))
    new.source = expanded
    try:
        old.start()
        assert await migrate(url, expanded / "valerix" / SERVICE / "migrations") == [
            "9001_newer.sql"
        ]
        new.start()
        for replica in (old, new):
            await send(replica, token)
        old.kill()
        await send(old.start(), token)

        assert await migrate(url, contracted / "valerix" / SERVICE / "migrations") == [
            "9002_newer.sql"
        ]
        await close_connections(url)
        await eventually(lambda: _refuses(old))
        new.kill()
        await send(new.start(), token)
        old.kill()
        with pytest.raises(
            NotStarted,
            match=f"schema 9002, which wants code of version 9001 .* this code is {NOW:04}",
        ):
            old.start()
    finally:
        old.kill()
        new.kill()


async def close_connections(url: str) -> None:
    """Closes all connections, as a restarted database does."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()


async def _refuses(process: Process) -> bool:
    """Whether the process reports that it is not ready, with the schema version as the reason."""
    async with Api.open(process.url) as api:
        answer = await api.get("/ready")
    return answer.status == 503 and "9002" in answer.json["checks"]["database"]["message"]


@pytest.mark.full
def test_older_code_says_so_before_anything_starts(tmp_path: Path) -> None:
    """`up` and `migrate` refuse data of a newer version; the newer version works on it
    afterwards.
    """
    source = newer(tmp_path, SERVICE, _9001=EXPAND, _9002=CONTRACT)
    with empty_folder() as folder:
        stack = Stack(folder)
        assert "9002_newer.sql" in stack.cli("migrate", PYTHONPATH=str(source)).stdout
        refusal = (
            f"database {SERVICE} has schema 9002, which wants code of version 9001 or newer, "
            f"and this code is {NOW:04}"
        )
        for words in (("up", "--detach", "--ports", "auto"), ("migrate",)):
            refused = stack.cli(*words, check=False)
            assert refused.returncode == 1
            assert refusal in refused.stdout + refused.stderr
            assert "Traceback" not in refused.stdout + refused.stderr
        assert stack.state["phase"] == "failed"
        assert not list((folder / "logs").glob(f"{SERVICE}*.log"))
        assert "up to date" in stack.cli("migrate", PYTHONPATH=str(source)).stdout
