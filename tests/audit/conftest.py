"""Sound past orders in real databases and a real ledger file, for tests to tamper with."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from tests.support.blocking import run_blocking
from tests.support.postgres import PostgresServer
from valerix.audit.snapshot import Sources
from valerix.bench import catalogue, prefill
from valerix.launcher.topology import DATABASE_NAMES
from valerix.psp.book import Book, Entry
from valerix.psp.ledger import Ledger
from valerix.psp.schemas import LedgerCharge

ORDERS, CONFIRMED = 120, 10


class Past:
    """Past orders. `sources` is the audit's input.

    A database is copied before a test tampers with it, because other tests need the sound one.
    """

    def __init__(
        self, postgres: PostgresServer, databases: dict[str, str], ledger_file: Path
    ) -> None:
        self.ledger_file = ledger_file
        self._postgres = postgres
        self._databases = dict(databases)
        self._copied: set[str] = set()

    @property
    def sources(self) -> Sources:
        urls = {
            service: self._postgres.url_of(service, name)
            for service, name in self._databases.items()
        }
        return Sources(urls, lambda: read(self.ledger_file))

    async def execute(self, service: str, *statements: str) -> None:
        """Run statements that no service would run."""
        self.copy(service)
        connection = await asyncpg.connect(self.sources.databases[service])
        try:
            for statement in statements:
                done = await connection.execute(statement)
                assert done.split()[-1] != "0", f"{statement} changed nothing"
        finally:
            await connection.close()

    def copy(self, service: str) -> None:
        """Copy the service's database, so that the test may write to it."""
        if service not in self._copied:
            self._databases[service] = self._postgres.copy(service, self._databases[service])
            self._copied.add(service)

    async def value(self, service: str, query: str) -> str:
        connection = await asyncpg.connect(self.sources.databases[service])
        try:
            found: str = await connection.fetchval(query)
        finally:
            await connection.close()
        return found

    def write(self, *entries: Entry) -> None:
        """Append ledger lines that the provider would not write."""
        with Ledger.open(self.ledger_file, Book().replay) as ledger:
            ledger.append(entries)


@pytest.fixture(scope="module")
def sound(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, str], Path]]:
    """Yield the databases' names by service, and the ledger, of sound past orders."""
    databases = {service: postgres.fresh_database(service)[0] for service in DATABASE_NAMES}
    file = tmp_path_factory.mktemp("ledger") / "ledger"
    run_blocking(
        _live({name: postgres.url_of(name, database) for name, database in databases.items()}, file)
    )
    yield databases, file
    for database in databases.values():
        postgres.drop(database)


async def _live(urls: dict[str, str], ledger_file: Path) -> None:
    async with AsyncExitStack() as stack:
        databases = {name: await asyncpg.connect(url) for name, url in urls.items()}
        for connection in databases.values():
            stack.push_async_callback(connection.close)
        await catalogue.stock_up(databases["inventory"])
        await catalogue.register(databases["users"], count=5)
        await prefill.fill(databases, ORDERS, confirmed=CONFIRMED)
        with Ledger.open(ledger_file, Book().replay) as ledger:
            async for entries in prefill.ledger(databases["payments"]):
                ledger.append(entries)
        for name in ("inventory", "users"):
            # No relay runs that would publish the events.
            await databases[name].execute("DELETE FROM outbox")
        await databases["users"].execute(
            "UPDATE user_events SET occurred_at = now() - interval '2 days'"
        )


@pytest.fixture
def past(postgres: PostgresServer, sound: tuple[dict[str, str], Path], tmp_path: Path) -> Past:
    databases, ledger = sound
    return Past(postgres, databases, Path(shutil.copy(ledger, tmp_path / "ledger")))


async def read(file: Path) -> AsyncIterator[list[LedgerCharge]]:
    """Yield the ledger as the provider serves it, in small pages."""
    book, after = Book(), 0
    with Ledger.open(file, book.replay) as ledger:
        while (page := book.page(ledger.lines, after, 7)).charges:
            yield page.charges
            after += len(page.charges)
