"""Reads counters of PostgreSQL (statements, commits, log) and services (requests, batches)."""

import asyncio
import contextlib
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import asyncpg
from asyncpg.connection import Connection

from valerix.launcher import health

SETTLE_SECONDS: Final = 1.2
"""Time to wait before a reading: PostgreSQL's sessions report about once a second."""
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([\d.e+]+)$", re.M)
_WAITING: Final = """
    SELECT datname || ': ' || coalesce(wait_event_type || ' ' || wait_event, 'running'), count(*)
    FROM pg_stat_activity
    WHERE state = 'active' AND datname IS NOT NULL AND pid <> pg_backend_pid() GROUP BY 1
"""
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Counters(NamedTuple):
    """Counts since an arbitrary time in the past; only differences have a meaning."""

    statements: dict[str, float]
    commits: dict[str, float]
    requests: dict[str, float]
    wal_bytes: float
    page_images: float
    fsyncs: float
    batches: dict[str, float]
    items: dict[str, float]


class Steps(NamedTuple):
    """The difference of two `Counters`."""

    statements: dict[str, float]
    commits: dict[str, float]
    requests: dict[str, float]
    wal_bytes: float
    page_images: float
    fsyncs: float
    batch_means: dict[str, float]


async def read(server: Connection, ports: Mapping[str, int]) -> Counters:
    """Read all counters.

    `ports`: of the services, by name. A service that does not answer counts as zero.
    """
    statements = await server.fetch(
        """
        SELECT d.datname, sum(s.calls)::float
        FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname <> 'postgres' GROUP BY 1
        """
    )
    commits = await server.fetch(
        """
        SELECT datname, xact_commit::float FROM pg_stat_database
        WHERE datname NOT IN ('postgres', 'template1')
        """
    )
    ((wal_bytes, page_images),) = await server.fetch(
        "SELECT wal_bytes::float, wal_fpi::float FROM pg_stat_wal"
    )
    fsyncs = await server.fetchval(
        "SELECT coalesce(sum(fsyncs), 0)::float FROM pg_stat_io WHERE object = 'wal'"
    )
    texts = await asyncio.gather(*(_metrics(port) for port in ports.values()))
    requests: dict[str, float] = {}
    batches: dict[str, float] = {}
    items: dict[str, float] = {}
    for name, text in zip(ports, texts, strict=True):
        for metric, labels, value in _SAMPLE.findall(text):
            batcher = f"{name.split('-')[0]}: {dict(_LABEL.findall(labels)).get('coalescer', '')}"
            if metric == "http_requests_total":
                requests[name] = requests.get(name, 0) + float(value)
            elif metric == "coalescer_batch_items_count":
                batches[batcher] = batches.get(batcher, 0) + float(value)
            elif metric == "coalescer_batch_items_sum":
                items[batcher] = items.get(batcher, 0) + float(value)
    return Counters(
        {row[0]: row[1] for row in statements if row[0]},
        {row[0]: row[1] for row in commits if row[0]},
        requests,
        wal_bytes,
        page_images,
        fsyncs,
        batches,
        items,
    )


def between(before: Counters, after: Counters) -> Steps:
    """Return the difference of two readings, with the mean batch sizes in between."""
    batches, items = _minus(after.batches, before.batches), _minus(after.items, before.items)
    return Steps(
        _minus(after.statements, before.statements),
        _minus(after.commits, before.commits),
        _minus(after.requests, before.requests),
        after.wal_bytes - before.wal_bytes,
        after.page_images - before.page_images,
        after.fsyncs - before.fsyncs,
        {name: items[name] / count for name, count in batches.items() if count},
    )


def _minus(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


async def _metrics(port: int) -> str:
    try:
        async with asyncio.timeout(health.TIMEOUT_SECONDS):
            return (await health.http_get(port, "/metrics"))[1].decode()
    except (OSError, TimeoutError):
        return ""


async def waits(
    superuser_url: str, stop: asyncio.Event, pause_seconds: float = 0.2
) -> dict[str, float]:
    """Sample what PostgreSQL's active sessions wait for, until `stop`.

    Returns the average number of sessions by database and reason.
    """
    seen: dict[str, int] = {}
    looks = 0
    server = await asyncpg.connect(superuser_url)
    try:
        while not stop.is_set():
            looks += 1
            for reason, count in await server.fetch(_WAITING):
                seen[reason] = seen.get(reason, 0) + count
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await stop.wait()
    finally:
        await server.close()
    return {reason: count / looks for reason, count in seen.items()} if looks else {}
