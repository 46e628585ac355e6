"""Saves the data of a stack as readable files, and loads them into an empty data directory.

`<database>.sql` pg_dump's text, schema and migration table included; `bus.jsonl` the commands that
make the streams; `ledger.jsonl` the provider's file; `story.json` the record of
tests.upgrade.record about the data's origin.

No secret is written. Passwords are replaced, and the hash of a refresh token by the hash of
`unused_token`'s result.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from redis import Redis

from tests.support.blocking import run_blocking
from tests.support.brokers import ValkeyServer
from tests.support.postgres import PostgresServer
from tests.support.workers import free_port
from valerix.chassis.postgres.provision import provision
from valerix.launcher import postgres
from valerix.launcher.credentials import Credentials
from valerix.launcher.postgres import SUPERUSER, Cluster, cluster_for
from valerix.launcher.topology import DATABASE_NAMES

SECRETS: Final = {
    "users": """
        UPDATE users SET password_hash = 'not recorded';
        UPDATE sessions SET csrf = 'not recorded ' || id WHERE csrf IS NOT NULL;
        UPDATE refresh_tokens SET hash = sha256(convert_to(
            CASE WHEN used_at IS NULL THEN 'unused ' ELSE 'used ' END || session_id, 'UTF8'));
    """
}
"""Statements executed before the dump."""
RECENT: Final = {
    "orders": """
        UPDATE inbox SET received_at = now();
        UPDATE orders SET due_at = now() WHERE due_at IS NOT NULL;
    """,
    "inventory": """
        UPDATE inbox SET received_at = now();
    """,
    "payments": "",
    "users": """
        UPDATE sessions SET
            created_at = now(), last_used_at = now(), expires_at = now() + interval '7 days';
        UPDATE users SET password_hash = :'password_hash';
    """,
    "notifications": """
        UPDATE inbox SET received_at = now();
        UPDATE notifications SET created_at = now() WHERE status = 'queued';
    """,
}
"""Statements written after each dump, and so executed when it is loaded: rows that expire by age
become new, and rows that wait for a time become due."""


def unused_token(session_id: str) -> str:
    """Returns the refresh token of a session; its hash is in the snapshot."""
    return f"unused {session_id}"


def save(data_dir: Path, folder: Path, story: dict[str, Any]) -> None:
    """Saves the data of a stack that has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    passwords = Credentials(data_dir).database_passwords
    with _postgres(data_dir) as cluster:
        for name in DATABASE_NAMES:
            _psql(cluster, name, passwords[name], SECRETS.get(name, ""))
            dump = _run(
                cluster, "pg_dump", name, passwords[name], "--no-owner", "--restrict-key=snapshot"
            )
            written = re.sub(r"(\n--[^\n]*)+|\n(?=\n\n)", "", dump)
            (folder / f"{name}.sql").write_text(
                f"{written.strip()}\n\nRESET search_path;{RECENT[name].rstrip()}\n"
            )
    with _valkey(data_dir) as redis:
        lines = [json.dumps(command) for command in _stream_commands(redis)]
    (folder / "bus.jsonl").write_text("".join(f"{line}\n" for line in lines))
    shutil.copyfile(data_dir / "psp" / "ledger", folder / "ledger.jsonl")
    (folder / "story.json").write_text(json.dumps(story, indent=1, ensure_ascii=False) + "\n")


def load(folder: Path, data_dir: Path, password_hash: str) -> None:
    """Fills the empty `data_dir` as if a stack had just ended there; all accounts get the password
    of that hash.
    """
    credentials = Credentials(data_dir)
    passwords = credentials.database_passwords
    cluster, _ = cluster_for(data_dir, free_port())
    cluster.initialise(credentials.superuser_password)
    with _postgres(data_dir) as cluster:
        server = postgres.url(cluster.port, SUPERUSER, credentials.superuser_password, "postgres")
        run_blocking(provision(server, passwords))
        for name in DATABASE_NAMES:
            dump = (folder / f"{name}.sql").read_text()
            _psql(cluster, name, passwords[name], f"\\set password_hash '{password_hash}'\n{dump}")
    with _valkey(data_dir) as redis:
        for line in (folder / "bus.jsonl").read_text().splitlines():
            redis.execute_command(*json.loads(line))  # type: ignore[no-untyped-call]
    (data_dir / "psp").mkdir()
    shutil.copyfile(folder / "ledger.jsonl", data_dir / "psp" / "ledger")


# --- PostgreSQL


@contextmanager
def _postgres(data_dir: Path) -> Iterator[Cluster]:
    """Runs the data directory's PostgreSQL, without other processes."""
    cluster, _ = cluster_for(data_dir, free_port())
    server = PostgresServer(cluster)
    server.start()
    try:
        yield cluster
    finally:
        server.stop()


def _psql(cluster: Cluster, database: str, password: str, script: str) -> None:
    _run(cluster, "psql", database, password, "-q", "-X", "-v", "ON_ERROR_STOP=1", script=script)


def _run(
    cluster: Cluster, program: str, database: str, password: str, *options: str, script: str = ""
) -> str:
    """Runs one of PostgreSQL's own programs as the database's owner; returns its output."""
    command = [
        str(cluster.binaries / program),
        "-h",
        "127.0.0.1",
        "-p",
        str(cluster.port),
        "-U",
        database,
        *options,
    ]
    environment = os.environ | {"PGPASSWORD": password}
    done = subprocess.run(
        [*command, database],
        input=script,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{program} {database}: {done.stderr}"
    return done.stdout


# --- the bus


@contextmanager
def _valkey(data_dir: Path) -> "Iterator[Redis]":
    """Runs the data directory's Valkey, without other processes."""
    with (
        ValkeyServer.running(data_dir / "valkey") as server,
        Redis.from_url(server.url, protocol=2, decode_responses=True) as redis,
    ):
        yield redis


def _stream_commands(redis: Redis) -> Iterator[list[str]]:
    """Yields commands that create each stream again: unacknowledged entries, the groups, and the
    deliveries to consumers.
    """
    for stream in sorted(redis.scan_iter(_type="stream")):
        groups: Any = redis.xinfo_groups(stream)
        pending: dict[str, Any] = {
            group["name"]: redis.xpending_range(stream, group["name"], "-", "+", 10_000)
            for group in groups
        }
        delivered = {one["message_id"] for messages in pending.values() for one in messages}
        seen = min((_position(group["last-delivered-id"]) for group in groups), default=(0, 0))
        entries: Any = redis.xrange(stream)
        for entry, fields in entries:
            if entry in delivered or _position(entry) > seen:
                yield ["XADD", stream, entry, *(word for field in fields.items() for word in field)]
        for group in groups:
            name = group["name"]
            yield ["XGROUP", "CREATE", stream, name, group["last-delivered-id"], "MKSTREAM"]
            for one in pending[name]:
                times, entry = str(one["times_delivered"]), one["message_id"]
                claim = [
                    "XCLAIM",
                    stream,
                    name,
                    one["consumer"],
                    "0",
                    entry,
                    "RETRYCOUNT",
                    times,
                    "FORCE",
                    "JUSTID",
                ]
                yield claim


def _position(entry: str) -> tuple[int, ...]:
    return tuple(map(int, entry.split("-")))
