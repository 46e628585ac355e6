"""PostgreSQL through a few long-lived connections.

A connection is taken, used and given back without the reset query of a pool: our statements leave no session state
behind. Errors callers meet:

DatabaseUnavailable       no connection could be had, or the server takes no changes: nothing was written
└── SchemaTooNew          nor may it: a newer version has migrated the database, and this code cannot go on with it
CommitOutcomeUnknown      the connection was lost while committing: read the truth back on a new connection
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
"""A connection inside `Database.transaction()`; repository functions take it first."""

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    OSError,
)
"""The server ended the session, or said that it is about to: the next statement must not meet this connection."""
UNWRITABLE = (asyncpg.DiskFullError, asyncpg.ReadOnlySQLTransactionError, asyncpg.PostgresIOError)
"""The server takes no changes now: what the statement would have changed is undone."""
IMPOSSIBLE: tuple[type[Exception], ...] = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.ProgramLimitExceededError,
    UnencodableError,  # found before it was sent
)
"""A value that this database never takes, however often it is tried."""
RETRIABLE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
MAX_ATTEMPTS = 5
BUSY_SECONDS = 2.0
"""How long a statement that succeeded says that the database is well."""
TRIAL_SECONDS = 1.0
"""Between two attempts of a readiness check to write, after a statement could not."""
JSONB_VERSION = b"\x01"
"""The first byte of every jsonb value on the wire."""
KEYED = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""For connections whose statements are short and keyed, so nested loops over indexes, planned once. Left to itself the
planner keeps a hash join it chose while a table was young (40 times the cost) or plans small batches anew each time."""


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"


class SchemaTooNew(DatabaseUnavailable):
    """Says which schema the database has, which code it wants and which this is."""


class CommitOutcomeUnknown(Exception):
    """The connection was lost during COMMIT (or a statement that commits by itself)."""


class Where:
    """Only the conditions that were asked for, so that each combination of them gets a plan of its own.

    `first` arguments are those the statement itself has ($1, …).
    """

    def __init__(self, *first: object) -> None:
        self.arguments = list(first)
        self._conditions: list[str] = []

    def add(self, condition: str, *values: object) -> None:
        """Each `?` of `condition` is one of `values`; nothing happens when the first of them is None."""
        if values[0] is None:
            return
        for value in values:
            self.arguments.append(value)
            condition = condition.replace("?", f"${len(self.arguments)}", 1)
        self._conditions.append(condition)

    @property
    def clause(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


class Database:
    """Up to `size` connections to one database. Use `transaction()` for several statements, `connection()` for one."""

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
        cls, url: str, size: int, settings: Mapping[str, str] | None = None, *, code: int | None = None
    ) -> AsyncIterator[Self]:
        """Connections are made on first use, so a service starts (and says it is not ready) while its database is down.

        `settings`: PostgreSQL parameters of every connection, e.g. of its planner. `code`: the code's version
        (migrations.code_of); no connection is opened on a schema that refuses it, be it that it was migrated meanwhile.
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

        Raises DatabaseUnavailable when none can be had or nothing can be written, CommitOutcomeUnknown when it breaks
        in use.
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
                raise  # misuse, not a lost connection
            connection.terminate()
            raise CommitOutcomeUnknown(str(error)) from error
        except asyncio.CancelledError:
            # asyncpg cancels the statement on the server; the outcome is settled before the connection is reused.
            connection.terminate()
            raise
        finally:
            self._free.put_nowait(None if connection.is_closed() else connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All statements inside commit together or not at all. Never hold one open across a network call."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def retry(
        self, work: Callable[[Transaction], Awaitable[T]], overtaken: tuple[type[Exception], ...] = ()
    ) -> T:
        """Run `work` in a transaction, again when the database chose it as a deadlock or serialization victim.

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
        self, work: Callable[[Connection], Awaitable[T]], overtaken: tuple[type[Exception], ...] = ()
    ) -> T:
        """Run work that may be repeated without a second effect, until its outcome is known.

        `overtaken`: what it raises when another transaction came first and it has to look again.
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
        """Readiness: which of `names` are missing. Raises DatabaseUnavailable while nothing can be written.

        A full disk is known from the last statement that it failed, and tried out until a trial succeeds. Where all
        connections are at work, what they did last is the answer.
        """
        if not self._unwritable and self._free.empty() and time.monotonic() - self._answered_at < BUSY_SECONDS:
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
            # Not wait_for: cancelled at the wrong moment, it goes on as if nothing had been (Python 3.11).
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
"""Takes a page of the disk, and gives it back."""


# Migrations of before the column want code that has them.
_SCHEMA = """
SELECT current_database() AS name, max(version) AS newest,
       max(coalesce((to_jsonb(m) ->> 'compatible_from')::integer, version)) AS wanted
FROM schema_migrations m
"""


async def check_code(connection: Connection, code: int) -> None:
    """Raises SchemaTooNew when code whose newest migration has the number `code` may not go on with the schema."""
    try:
        schema = await connection.fetchrow(_SCHEMA)
    except asyncpg.UndefinedTableError:
        return  # not migrated yet: readiness says so
    if schema is not None and (schema["wanted"] or 0) > code:
        raise SchemaTooNew(
            f"The database {schema['name']} has schema {schema['newest']:04}, which wants code of version"
            f" {schema['wanted']:04} or newer, and this code is {code:04}. Start the version of Valerix that has"
            " migrated it, or restore a backup of before"
        )


async def connect(url: str, settings: Mapping[str, str] | None = None) -> Connection:
    parameters = {"jit": "off", **(settings or {})}
    connection = await asyncpg.connect(url, timeout=5, command_timeout=10, server_settings=parameters)
    # Binary: as text, every character of an array of documents is looked at for quoting, here and on the server.
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
    """Raw JSON text passes as it is; anything else is encoded."""
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)
