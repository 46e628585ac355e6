"""PostgreSQL through a few long-lived connections.

A connection is taken, used and returned without the reset query of a pool: the statements leave no
session state behind. Errors that callers meet:

DatabaseUnavailable    no connection, or the server takes no changes: nothing was written
└── SchemaTooNew       a newer version has migrated the database: this code may not use the schema
CommitOutcomeUnknown   the connection was lost during commit: read the state on a new connection
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Self, TypeVar

import asyncpg
import msgspec
import structlog
from asyncpg.connection import Connection
from asyncpg.exceptions._base import DataError as UnencodableError

from valerix.chassis.base.problems import Unavailable

log = structlog.get_logger()
T = TypeVar("T")
Transaction = Connection
"""A connection inside `Database.transaction()`. Repository functions take it as first parameter."""

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    OSError,
)
"""The server ended the session, or announced that it will.

The next statement must not use this connection.
"""
UNWRITABLE = (asyncpg.DiskFullError, asyncpg.ReadOnlySQLTransactionError, asyncpg.PostgresIOError)
"""The server takes no changes now. All changes of the statement are rolled back."""
IMPOSSIBLE: tuple[type[Exception], ...] = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.ProgramLimitExceededError,
    UnencodableError,  # raised before anything is sent
)
"""Errors of a value that this database never accepts, however often it is retried."""
RETRIABLE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
MAX_ATTEMPTS = 5
BUSY_SECONDS = 2.0
"""How long a successful statement counts as proof that the database is healthy."""
TRIAL_SECONDS = 1.0
"""Time between two trial writes of a readiness check, after a statement could not write."""
JSONB_VERSION = b"\x01"
"""The first byte of every jsonb value on the wire."""
KEYED = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Planner settings for connections with short, keyed statements: nested loops over indexes, planned
once.

With its defaults the planner keeps a hash join it chose while a table was young (40 times the
cost), or plans small batches anew each time.
"""


class DatabaseUnavailable(Unavailable):
    """No connection is available, or the server takes no changes. Nothing was written."""

    code = "database_unavailable"


class SchemaTooNew(DatabaseUnavailable):
    """The message names the database's schema, the code it requires, and this code's version."""


class CommitOutcomeUnknown(Exception):
    """The connection was lost during COMMIT (or a statement that commits by itself)."""


class Where:
    """A WHERE clause with only the conditions that are set, so that each combination gets its own
    plan.

    `first` are the arguments that the statement itself has ($1, …).
    """

    def __init__(self, *first: object) -> None:
        self.arguments = list(first)
        self._conditions: list[str] = []

    def add(self, condition: str, *values: object) -> None:
        """Adds `condition`, in which each `?` stands for one of `values`. Does nothing when the
        first of them is None.
        """
        if values[0] is None:
            return
        for value in values:
            self.arguments.append(value)
            condition = condition.replace("?", f"${len(self.arguments)}", 1)
        self._conditions.append(condition)

    @property
    def clause(self) -> str:
        """The clause with all conditions; empty when there are none."""
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


class Database:
    """Up to `size` connections to one database.

    Use `transaction()` for several statements, `connection()` for one.
    """

    def __init__(
        self,
        url: str,
        size: int,
        acquire_timeout: float = 5.0,
        settings: Mapping[str, str] | None = None,
        code: int | None = None,
    ) -> None:
        self._url = url
        self._code = code
        self._size = size
        self._acquire_timeout = acquire_timeout
        self._settings = settings or {}
        self._free: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        self._answered_at = self._try_at = 0.0
        self._unwritable = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        size: int,
        settings: Mapping[str, str] | None = None,
        *,
        code: int | None = None,
    ) -> AsyncIterator[Self]:
        """Opens connections on first use, so a service starts (and reports not ready) while its
        database is down.

        `settings`: PostgreSQL parameters of every connection, e.g. for its planner. `code`: the
        code's version (migrations.code_of). No connection is opened on a schema that refuses this
        code, even if it was migrated after the service started.
        """
        database = cls(url, size, settings=settings, code=code)
        for _ in range(size):
            database._free.put_nowait(None)
        try:
            yield database
        finally:
            await database._close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for statements that each commit by themselves.

        Raises DatabaseUnavailable when none is available or nothing can be written,
        CommitOutcomeUnknown when the connection breaks in use.
        """
        connection = await self._take()
        try:
            yield connection
            self._answered_at = time.monotonic()
        except UNWRITABLE as error:
            self._unwritable = True
            raise DatabaseUnavailable("The database cannot be written at present") from error
        except LOST as error:
            if isinstance(error, asyncpg.InterfaceError) and not connection.is_closed():
                raise  # misuse of asyncpg, not a lost connection
            connection.terminate()
            raise CommitOutcomeUnknown(str(error)) from error
        except asyncio.CancelledError:
            # asyncpg cancels the statement on the server. The connection is not reused before the
            # outcome is settled.
            connection.terminate()
            raise
        finally:
            self._free.put_nowait(None if connection.is_closed() else connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All statements inside commit together or not at all.

        Never keep a transaction open across a network call.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def retry(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        overtaken: tuple[type[Exception], ...] = (),
    ) -> T:
        """Runs `work` in a transaction, again when the database chose it as a deadlock or
        serialization victim.

        `overtaken`: see `repeat`.
        """
        again: tuple[type[Exception], ...] = (*RETRIABLE, *overtaken)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                async with self.transaction() as transaction:
                    return await work(transaction)
            except again:
                if attempt == MAX_ATTEMPTS:
                    raise
                log.warning("transaction retried", attempt=attempt)
        raise AssertionError("unreachable")

    async def repeat(
        self,
        work: Callable[[Connection], Awaitable[T]],
        overtaken: tuple[type[Exception], ...] = (),
    ) -> T:
        """Runs work that may be repeated without a second effect, until its outcome is known.

        `overtaken`: what it raises when another transaction was faster and it has to read again.
        Raises CommitOutcomeUnknown when the database stays away after it may have committed.
        """
        again: tuple[type[Exception], ...] = (*RETRIABLE, *overtaken)
        unknown: CommitOutcomeUnknown | None = None
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                async with self.connection() as connection:
                    return await work(connection)
            except CommitOutcomeUnknown as error:
                unknown = error
            except DatabaseUnavailable:
                if unknown is None:
                    raise
            except again:
                if attempt == MAX_ATTEMPTS:
                    raise
            await asyncio.sleep(0.05 * attempt)
        raise unknown or AssertionError("unreachable")

    async def missing_tables(self, names: list[str]) -> list[str]:
        """Readiness: which of `names` are missing. Raises DatabaseUnavailable while nothing can be
        written.

        A full disk is known from the last statement, which failed; trial writes follow until one
        succeeds. While all connections are in use, the result of their last statement is the
        answer.
        """
        if (
            not self._unwritable
            and self._free.empty()
            and time.monotonic() - self._answered_at < BUSY_SECONDS
        ):
            return []
        async with self.connection() as connection:
            ((missing, read_only),) = await connection.fetch(_CHECK, names)
            if read_only:
                raise DatabaseUnavailable("The database is read-only")
            if self._unwritable and time.monotonic() >= self._try_at:
                self._try_at = time.monotonic() + TRIAL_SECONDS
                await connection.execute(_TRIAL)
                self._unwritable = False
        if self._unwritable:
            raise DatabaseUnavailable("The database cannot be written: its disk is full or broken")
        return list(missing)

    async def _take(self) -> Connection:
        try:
            # Not wait_for: it may swallow a cancellation at the wrong moment (Python 3.11).
            async with asyncio.timeout(self._acquire_timeout):
                connection = await self._free.get()
        except TimeoutError:
            raise DatabaseUnavailable("All database connections are busy") from None
        if connection is not None and not connection.is_closed():
            return connection
        try:
            return await self._connect()
        except BaseException as error:
            self._free.put_nowait(None)
            if isinstance(error, (*LOST, asyncpg.PostgresError, TimeoutError)):
                raise DatabaseUnavailable("The database cannot be reached") from error
            raise

    async def _connect(self) -> Connection:
        connection = await connect(self._url, self._settings)
        try:
            if self._code is not None:
                await check_code(connection, self._code)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _close(self) -> None:
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None and not connection.is_closed():
                await connection.close(timeout=2)


_CHECK = """SELECT coalesce(array_agg(n), '{}'), current_setting('transaction_read_only') = 'on'
    FROM unnest($1::text[]) n WHERE to_regclass(n) IS NULL"""
_TRIAL = "CREATE TEMPORARY TABLE trial ON COMMIT DROP AS SELECT 1 AS n"
"""Allocates a page on the disk, and frees it."""


# Migrations from before the column `compatible_from` existed require code that has them.
_SCHEMA = """
SELECT current_database() AS name, max(version) AS newest,
       max(coalesce((to_jsonb(m) ->> 'compatible_from')::integer, version)) AS wanted
FROM schema_migrations m
"""


async def check_code(connection: Connection, code: int) -> None:
    """Raises SchemaTooNew when the schema requires newer code than `code`.

    `code` is the number of the newest migration that the code has.
    """
    try:
        schema = await connection.fetchrow(_SCHEMA)
    except asyncpg.UndefinedTableError:
        return  # not migrated yet: the readiness check reports it
    if schema is not None and (schema["wanted"] or 0) > code:
        raise SchemaTooNew(
            f"The database {schema['name']} has schema {schema['newest']:04},"
            f" which wants code of version {schema['wanted']:04} or newer,"
            f" and this code is {code:04}. Start the version of Valerix that migrated it,"
            " or restore a backup from before the migration"
        )


async def connect(url: str, settings: Mapping[str, str] | None = None) -> Connection:
    """Opens one connection, with binary JSON codecs and without JIT compilation."""
    parameters = {"jit": "off", **(settings or {})}
    connection = await asyncpg.connect(
        url, timeout=5, command_timeout=10, server_settings=parameters
    )
    # Binary: as text, every character of an array of documents is checked for quoting, here and on
    # the server.
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=_to_json, decoder=msgspec.json.decode, format="binary"
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: JSONB_VERSION + _to_json(value),
        decoder=lambda value: msgspec.json.decode(value[len(JSONB_VERSION) :]),
        format="binary",
    )
    return connection


def _to_json(value: object) -> bytes:
    """Raw JSON text passes unchanged; any other value is encoded."""
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)
