"""The stack that a benchmark measures: in its own directory, with every feature switched on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
from asyncpg.connection import Connection
from redis.asyncio import Redis

from valerix.audit.inspection import AuditReport, inspect
from valerix.audit.sources import of_stack
from valerix.bench import catalogue, drain, prefill, usage
from valerix.bench.drain import Drained
from valerix.bench.usage import Usage
from valerix.chassis.calls.client import CallFailed
from valerix.chassis.identity.tokens import PUBLIC_AUDIENCE, TokenIssuer
from valerix.contracts.roles import CUSTOMER, OPERATOR
from valerix.launcher import control, postgres, valkey, valkey_users
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.ports import free_ports
from valerix.launcher.postgres import SUPERUSER, Cluster
from valerix.launcher.processes import family_bytes, memory_bytes
from valerix.launcher.programs import Plan, cluster_of
from valerix.launcher.settings import auto_ports, bus_url, gateway_settings
from valerix.launcher.state import StackState, read_state
from valerix.launcher.topology import BY_NAME, DATABASE_NAMES, GATEWAY, POSTGRES, VALKEY
from valerix.psp.book import Book
from valerix.psp.ledger import Ledger

NO_LIMIT: Final = 1_000_000
"""Rate limit of an address, in requests per second: all load of a benchmark comes from one."""
HOT: Final = catalogue.PRODUCTS + 1
"""Number of the hot product, which every customer orders."""
WAREHOUSE: Final = {"dwell_seconds": "1"}
"""Settings of the simulated warehouse: fast, since a drain waits for the last delivery."""
POLL_SECONDS: Final = 0.25


class BenchStack:
    """A running stack with the products and customers of the load."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._registered = self._taken = catalogue.CUSTOMERS
        self._sold_out = HOT
        self.cold_start_seconds: float | None = None
        self.warm_start_seconds: float | None = None

    @classmethod
    @asynccontextmanager
    async def running(
        cls, data_dir: Path, replicas: Mapping[str, int], rows: int, *, restart: bool
    ) -> AsyncIterator["BenchStack"]:
        """Run a stack until the block ends, also if it fails.

        `rows`: number of past orders to fill it with. `restart`: restart it to measure a warm
        start.
        """
        gateway = msgspec.structs.replace(gateway_settings(), gateway_rate=NO_LIMIT)
        plan = Plan(
            data_dir=data_dir,
            ports=free_ports(replicas, auto_ports()),
            replicas=dict(replicas),
            gateway=gateway,
            settings=WAREHOUSE,
        )
        stack = cls(plan)
        try:
            stack.cold_start_seconds = (await stack._start()).ready_seconds
            await stack._furnish(rows)
            if rows or restart:
                await stack.stop()
                if rows:
                    await stack._write_ledger()
                stack.warm_start_seconds = (await stack._start()).ready_seconds
            yield stack
        finally:
            await stack.stop()

    # --- start and stop

    async def _start(self) -> StackState:
        return await asyncio.to_thread(control.start_in_background, self._plan, lambda _: None)

    async def stop(self) -> None:
        await asyncio.to_thread(control.stop, self._plan.data_dir, lambda _: None)

    async def _furnish(self, rows: int) -> None:
        async with AsyncExitStack() as opened:
            databases = {
                name: await opened.enter_async_context(self.database(name))
                for name in DATABASE_NAMES
            }
            await catalogue.stock_up(databases["inventory"], count=HOT)
            await catalogue.register(databases["users"])
            if rows:
                await prefill.fill(databases, rows)
        await self.drained(60)

    async def _write_ledger(self) -> None:
        """Write the provider's ledger while the provider is down, because it locks the file.

        PostgreSQL is started for this step alone.
        """
        cluster = self.cluster
        cluster.prepare_start()
        server = await asyncio.create_subprocess_exec(
            *cluster.command(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            **cluster.spawn_options,
        )
        try:
            async with asyncio.timeout(120):
                # Readiness is a file of another program, which sets no event.
                while not cluster.is_ready(server.pid):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)
            book = Book()
            with Ledger.open(self._plan.data_dir / "psp" / "ledger", book.replay) as ledger:
                async with self.database("payments") as payments:
                    async for entries in prefill.ledger(payments):
                        ledger.append(entries)
        finally:
            server.send_signal(postgres.STOP_SIGNAL)
            await server.wait()

    # --- addresses

    @property
    def state(self) -> StackState:
        state = read_state(self._plan.data_dir)
        assert state is not None  # noqa: S101 - the stack was started
        return state

    @property
    def cluster(self) -> Cluster:
        return cluster_of(self._plan)[0]

    @property
    def gateway_port(self) -> int:
        return self._plan.ports[GATEWAY]

    @property
    def service_port(self) -> int:
        """Port of the orders service itself; with replicas, of the first."""
        return self._plan.ports["orders"]

    @property
    def service_ports(self) -> dict[str, int]:
        """Ports of the services by instance."""
        return {
            one.name: one.port for one in self._plan.instances if BY_NAME[one.process].is_service
        }

    @property
    def superuser_url(self) -> str:
        return postgres.url(
            self._plan.ports[POSTGRES], SUPERUSER, self._superuser_password, "postgres"
        )

    @property
    def libpq(self) -> dict[str, str]:
        """Environment for PostgreSQL's own programs."""
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self._plan.ports[POSTGRES]),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self._superuser_password,
        }

    @property
    def _superuser_password(self) -> str:
        return Credentials(self._plan.data_dir).superuser_password

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[Connection]:
        """Open a connection with the service's own role."""
        password = Credentials(self._plan.data_dir).database_passwords[name]
        connection = await asyncpg.connect(
            postgres.url(self._plan.ports[POSTGRES], name, password, name)
        )
        try:
            yield connection
        finally:
            await connection.close()

    # --- customers and products

    async def register(self, count: int) -> None:
        """Register customers until this many have not ordered yet."""
        missing = count - (self._registered - self._taken)
        if missing <= 0:
            return
        async with self.database("users") as users:
            await catalogue.register(users, self._registered + 1, missing)
        self._registered += missing
        await self.drained(60)

    async def new_customers(self, count: int) -> dict[str, str]:
        """Return access tokens for customers without orders, by customer; signed as by `users`.

        Messages to customers of an earlier run could exceed the hourly limit, and would then cost
        nothing.
        """
        await self.register(count)
        first, self._taken = self._taken + 1, self._taken + count
        issuer = self._issuer()
        return {
            customer: issuer.issue(
                subject=f"bench-{customer}",
                role=CUSTOMER,
                audience=PUBLIC_AUDIENCE,
                ttl_seconds=600,
                owner_id=customer,
            )
            for customer in map(catalogue.customer, range(first, self._taken + 1))
        }

    def operator_token(self) -> str:
        """Return an access token of an operator, valid for 600 s."""
        return self._issuer().issue(
            subject="bench-operator", role=OPERATOR, audience=PUBLIC_AUDIENCE, ttl_seconds=600
        )

    def _issuer(self) -> TokenIssuer:
        return TokenIssuer(Credentials(self._plan.data_dir).signing_key_file("users"))

    async def scarce_product(self, units: int) -> int:
        """Make a product with only `units` in stock; return its number."""
        self._sold_out += 1
        async with self.database("inventory") as inventory:
            await catalogue.stock_up(inventory, first=self._sold_out, count=1, units=units)
        return self._sold_out

    async def units_left(self, number: int) -> int:
        """Return the available units of a product."""
        async with self.database("inventory") as inventory:
            left: int = await inventory.fetchval(
                "SELECT sum(on_hand - reserved)::bigint FROM stock WHERE sku = $1",
                catalogue.sku(number),
            )
        return left

    # --- measurements

    async def drained(self, timeout_seconds: float) -> Drained:
        """Wait until every order has ended and all work that the orders caused is done."""
        async with AsyncExitStack() as opened:
            databases = {
                name: await opened.enter_async_context(self.database(name))
                for name in drain.DATABASES
            }
            return await drain.drain(
                databases, await opened.enter_async_context(self._streams()), timeout_seconds
            )

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[Redis | None]:
        """Open the event bus; None if the stack uses another bus than its own Valkey."""
        if bus_url():
            yield None
            return
        password = Credentials(self._plan.data_dir).valkey_password
        async with Redis.from_url(
            valkey.url(self._plan.ports[VALKEY], password, valkey_users.LAUNCHER)
        ) as streams:
            yield streams

    async def sample(self, server: Connection, others: Mapping[str, int]) -> Usage:
        """Return the processor seconds so far; `others`: further processes, by name."""
        state = self.state
        running = {name: one.identity.pid for name, one in state.processes.items() if one.identity}
        sessions = await server.fetch(
            "SELECT pid, coalesce(datname, 'server') FROM pg_stat_activity"
        )
        postmaster = running.pop(POSTGRES)
        made = usage.sample({**running, **others}, postmaster, {row[0]: row[1] for row in sessions})
        made.by_process["launcher"] = usage.family_seconds(state.launcher.pid, children=False)[0]
        return made

    def python_processes(self) -> dict[str, int]:
        """Return the process numbers of the services, by instance."""
        state = self.state
        found = {one: state.processes[one].identity for one in self.service_ports}
        return {name: identity.pid for name, identity in found.items() if identity}

    def memory_mib(self) -> float:
        """Return the memory of all processes; shared pages count once."""
        state = self.state
        used = [family_bytes(one.identity.pid) for one in state.processes.values() if one.identity]
        return sum(each or 0 for each in [*used, memory_bytes(state.launcher.pid)]) / 2**20

    async def audit(self) -> AuditReport:
        """Audit the stack.

        Raises LauncherError if it cannot be completed, for instance on a full disk.
        """
        try:
            return await inspect(of_stack(self.state))
        except (OSError, asyncpg.PostgresError, CallFailed) as error:
            raise LauncherError(f"The audit could not be completed: {error}") from error
