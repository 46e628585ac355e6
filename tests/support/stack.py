"""A whole stack as its user starts it, and the data behind it: the databases and the provider's
ledger.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.support import reaper
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.folders import empty_folder
from tests.support.leaks import assert_no_leaks
from tests.support.shop import PRICE as PRICE
from tests.support.shop import new_product as new_product
from tests.support.shop import place as place
from tests.support.shop import routed as routed
from valerix.audit.inspection import inspect
from valerix.audit.sources import of_stack
from valerix.chassis.identity.tokens import TokenIssuer
from valerix.contracts.commands import RESERVE_STOCK
from valerix.launcher.state import read_state

ROOT = Path(__file__).parents[2]
ADA = "ada@demo.valerix.example"
GRACE = "grace@demo.valerix.example"
OPERATOR = "operator@demo.valerix.example"
UP_SECONDS = 180
TOKEN_SECONDS = 300
"""Seconds that a token is reused: half the lifetime of an access token."""
TIME_SCALE = "0.2"
"""Default scale of a stack's time-outs (chassis.base.timeouts)."""
DWELL_SECONDS = "1"
"""Default duration of the warehouse's steps."""
LOOKS = 20
"""Inspections of the audit before a finding counts: on a busy machine, events stay in an outbox for
some time.
"""


class Stack:
    """A data directory with a stack in it; `cli` runs the product's own commands on it."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        """`settings`: `VALERIX_…` variables of all processes, by field name."""
        self.data_dir = data_dir
        settings = {"time_scale": TIME_SCALE, "dwell_seconds": DWELL_SECONDS} | settings
        self._time_scale = float(settings["time_scale"])
        self._tokens: dict[str, tuple[float, str]] = {}
        self._environment = os.environ | {
            f"VALERIX_{name.upper()}": value for name, value in settings.items()
        }

    def scaled_ms(self, seconds: float) -> int:
        """Scales `seconds` of production time-outs to this stack; returns milliseconds."""
        return round(1000 * seconds * self._time_scale)

    def cli(
        self, *words: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command on this stack, from any folder; `environment` is added to the stack's."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "valerix.cli.main",
            *words,
            "--data-dir",
            str(self.data_dir),
        ]
        done = subprocess.run(
            command,
            cwd="/",
            env=self._environment | environment,
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done

    def up(self, *options: str) -> str:
        """Starts the stack and returns the output of `up`."""
        reaper.watch(self.data_dir)
        return self.cli("up", "--detach", "--ports", "auto", *options).stdout

    def down(self) -> str:
        said = self.cli("down").stdout
        assert_no_leaks((self.data_dir / "logs").iterdir(), self.data_dir / "secrets")
        return said

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.data_dir / "run" / "state.json").read_text())
        return state

    @property
    def url(self) -> str:
        """The URL of the gateway."""
        return f"http://127.0.0.1:{self.state['ports']['gateway']}"

    def service_url(self, name: str) -> str:
        """Returns the URL of a service's own port, which bypasses the gateway."""
        return f"http://127.0.0.1:{self.state['processes'][name]['port']}"

    def pid(self, process: str) -> int:
        pid: int = self.state["processes"][process]["identity"]["pid"]
        return pid

    def copies(self, service: str) -> dict[str, int]:
        """Returns the process ids of a service's copies by process name."""
        return {
            name: self.pid(name)
            for name in self.state["processes"]
            if name.split("-")[0] == service
        }

    @contextmanager
    def kept_down(self, service: str) -> Iterator[None]:
        """Kills every copy, and prevents the launcher from starting it again until the block
        ends.
        """
        launcher: int = self.state["launcher"]["pid"]
        os.kill(launcher, signal.SIGSTOP)
        try:
            for pid in self.copies(service).values():
                os.kill(pid, signal.SIGKILL)
            yield
        finally:
            os.kill(launcher, signal.SIGCONT)

    def log(self, process: str) -> str:
        """Returns the output of a process so far."""
        return (self.data_dir / "logs" / f"{process}.log").read_text()

    def secret(self, name: str) -> str:
        return (self.data_dir / "secrets" / name).read_text()

    @asynccontextmanager
    async def api(self, email: str | None = ADA) -> AsyncIterator[Api]:
        """Yields a client of the gateway, signed in as `email`."""
        token = None if email is None else await self.token(email)
        async with Api.open(self.url, token) as api:
            yield api

    @asynccontextmanager
    async def at_service_port(self, process: str, email: str = ADA) -> AsyncIterator[Api]:
        """Yields a client of one copy of a service at its own port, signed in as `email`."""
        token = await self.token(email)
        async with Api.open(self.service_url(process), token) as api:
            yield api

    async def token(self, email: str) -> str:
        """Returns a shared access token: a password check costs 0.1 s of processor time."""
        since, token = self._tokens.get(email, (-TOKEN_SECONDS, ""))
        if time.monotonic() - since >= TOKEN_SECONDS:
            token = await self.new_token(email)
            self._tokens[email] = time.monotonic(), token
        return token

    async def new_token(self, email: str) -> str:
        """Signs in and returns an access token of a new session."""
        body = {"email": email, "password": self.secret("demo")}
        async with Api.open(self.url) as guest:
            answer = await routed(lambda: guest.post("/api/v1/users/login", body))
        assert answer.status == 200, answer.body
        token: str = answer.json["accessToken"]
        return token

    # --- databases and ledger

    def database_url(self, database: str) -> str:
        port, password = self.state["ports"]["postgres"], self.secret(f"postgres-{database}")
        return f"postgresql://{database}:{password}@127.0.0.1:{port}/{database}"

    async def rows(self, database: str, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Returns rows as the service's own database role sees them."""
        connection = await asyncpg.connect(self.database_url(database))
        try:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def live_events(self, subject: str) -> list[dict[str, Any]]:
        """Returns the live events about an order, a payment or a stock location."""
        statement = """SELECT message FROM live_batches, unnest(messages) AS message
            WHERE message::json->>'subject' = $1"""
        return [
            json.loads(row["message"])
            for row in await self.rows("notifications", statement, subject)
        ]

    async def orders_of(self, sku: str) -> list[dict[str, Any]]:
        """Returns the rows of all orders of a product."""
        return await self.rows(
            "orders",
            "SELECT o.* FROM orders o JOIN order_products ON order_id = id WHERE product_id = $1",
            sku,
        )

    async def ledger(self) -> dict[str, Any]:
        """Returns the provider's ledger, with all its pages merged."""
        charges: list[Any] = []
        after: int | None = 0
        async with Api.open(self.service_url("psp"), self.secret("psp")) as provider:
            while after is not None:
                answer = await provider.get(f"/v1/ledger?after={after}&limit=10000")
                assert answer.status == 200, answer.body
                charges += answer.json["charges"]
                after = answer.json["next"]
        ledger: dict[str, Any] = answer.json
        return ledger | {"charges": charges}

    async def counts(self) -> dict[str, int]:
        """Returns row counts of all tables that an order can write to."""
        tables = {
            "orders": ("orders", "order_events"),
            "inventory": ("reservations", "movements"),
            "payments": ("payments", "payment_events", "refunds"),
        }
        found = {}
        for database, names in tables.items():
            for name in names:
                statement = f"SELECT count(*) AS n FROM {name}"  # noqa: S608 - names are ours
                (row,) = await self.rows(database, statement)
                found[name] = row["n"]
        found["ledger"] = (await self.ledger())["lines"]
        return found

    async def stock(self, sku: str) -> tuple[int, int]:
        """Returns (on hand, reserved) of a product over all warehouses."""
        (row,) = await self.rows(
            "inventory",
            "SELECT sum(on_hand)::int AS h, sum(reserved)::int AS r FROM stock WHERE sku = $1",
            sku,
        )
        return row["h"], row["r"]


@contextmanager
def own_stack(*options: str, **settings: str) -> Iterator[Stack]:
    """Starts a new stack on free ports and removes it afterwards. `options`: of `up`; `settings`:
    `VALERIX_…` variables by field name.
    """
    with empty_folder() as folder:
        stack = Stack(folder, **settings)
        try:
            stack.up(*options)
            yield stack
        finally:
            stack.down()


async def reserve(stack: Stack, order_id: str, lines: dict[str, int]) -> None:
    """Reserves stock as the orders service does; the order need not exist."""
    token = TokenIssuer(stack.data_dir / "secrets" / "orders.jwk").for_service("inventory")
    command = {
        "orderId": order_id,
        "lines": [{"productId": sku, "quantity": n} for sku, n in lines.items()],
    }
    async with Api.open(stack.service_url("inventory"), token) as orders:
        answer = await orders.post(RESERVE_STOCK, {"commands": [command]})
    assert [outcome["outcome"] for outcome in answer.json["outcomes"]] == ["reserved"], answer.body


async def settled(stack: Stack, seconds: float = 120) -> None:
    """Waits until no work is in progress: no pending orders except held ones, no payment without an
    outcome.
    """
    pending = """SELECT 1 FROM orders
        WHERE status = 'pending' AND error_code IS DISTINCT FROM 'insufficient_stock'"""
    processing = "SELECT 1 FROM payments WHERE status = 'processing'"

    async def nothing_open() -> bool:
        return not await stack.rows("orders", pending) and not await stack.rows(
            "payments", processing
        )

    await eventually(nothing_open, seconds)


async def assert_sound(stack: Stack) -> None:
    """Asserts that orders, stock and money agree: no lost order, no oversell, no double charge
    (ARCHITECTURE.md, invariants).
    """
    state = read_state(stack.data_dir)
    assert state is not None
    report = await inspect(of_stack(state), looks=LOOKS)
    assert report.sound, [verdict for verdict in report.verdicts if not verdict.holds]
