"""Runs one process of the platform and records every name that it has or sends.

`python -m tests.pins.observe <process> <folder> <Valkey's URL> <result>` runs in a separate
interpreter, so that the metrics and failpoints belong to this process only. The app is the real
one, composed by its own root from the launcher's settings; Valkey is real; PostgreSQL and the
called services are stand-ins (tests.pins.fakes).
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis

from tests.matrix import asgi
from tests.pins import readings, requests
from tests.pins.answers import BROKEN, Answers, reply
from tests.pins.facts import Facts, Taken, recorded, settled, shape
from tests.pins.fakes import Database, Peers
from tests.pins.places import find
from tests.pins.requests import Asked
from tests.support.api import Answer

EVENTS: Final = Path(__file__).parents[1] / "contracts" / "events"
QUIET_SECONDS: Final = 1.0
NOT_FOUND: Final = 404
TIMEOUT_SECONDS: Final = 10.0
"""Maximum wait for recorded names that were not seen yet."""


class Observed:
    """Runs and observes one process."""

    def __init__(self, name: str, folder: Path, valkey_url: str) -> None:
        self.name, self.folder, self.valkey_url = name, folder, valkey_url
        self.taken = Taken()
        emitted = {
            source: names
            for source, names in find("events by source").items()
            if source in (name, self._half())
        }
        self.database = Database(Answers([one for names in emitted.values() for one in names]))
        self.peers = Peers(reply)
        self.app: Any = None
        self._tokens: dict[str, str] = {}
        self._listening = asyncio.Event()

    def _half(self) -> str:
        """Returns the service that shares its database with this process."""
        database: str = find("table of processes").BY_NAME[self.name].database
        return database

    async def run(self) -> Facts:
        assert not readings.metrics(), "the observer must have no metrics itself"
        async with AsyncExitStack() as resources:
            port = await resources.enter_async_context(self.peers.listening())
            valkey = await resources.enter_async_context(
                Redis.from_url(self.valkey_url, decode_responses=True)
            )
            resources.push_async_callback(_ended, asyncio.create_task(self._listen()))
            await self._listening.wait()
            await self._publish_all(valkey)
            await resources.enter_async_context(self._running(port))
            await self._ask_everything(valkey)
            await self._settle(BROKEN)
            await self._publish_broken(valkey)
            await self._settle()
        for line in readings.metrics():
            self.taken.add("metrics", self.name, line)
        for line in readings.problems():
            self.taken.add("problems", self.name, line)
        return self.taken.sorted()

    # --- start

    @asynccontextmanager
    async def _running(self, peers_port: int) -> AsyncIterator[None]:
        environment = self._environment(peers_port)
        module = __import__(
            find("table of processes").BY_NAME[self.name].module, fromlist=["create"]
        )
        loaded = find("making settings")(module.Settings, environment)
        for name in type(loaded).__struct_fields__:
            self.taken.add("settings", self.name, f"VALERIX_{name.upper()}")
        self.app = module.create(loaded)
        messages: asyncio.Queue[Any] = asyncio.Queue()
        started, stopped = asyncio.Event(), asyncio.Event()

        async def send(message: Any) -> None:
            assert "failed" not in message["type"], message
            (started if "startup" in message["type"] else stopped).set()

        messages.put_nowait({"type": "lifespan.startup"})
        task = asyncio.create_task(self.app({"type": "lifespan"}, messages.get, send))
        await asyncio.wait(
            {task, asyncio.create_task(started.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        assert started.is_set(), task.exception()
        try:
            yield
        finally:
            messages.put_nowait({"type": "lifespan.shutdown"})
            await task

    def _environment(self, peers_port: int) -> dict[str, str]:
        """Returns the launcher's variables for the process, with the addresses of the stand-ins."""
        topology = find("table of processes")
        credentials = find("credentials")(self.folder)
        find("making keys")(credentials)
        plan = find("plan of a stack")(
            data_dir=self.folder,
            ports=dict(topology.DEFAULT_PORTS),
            gateway=find("gateway's settings")(),
        )
        instance = next(one for one in plan.instances if one.process == self.name)
        variables: dict[str, str] = find("environment of a process")(instance, plan, credentials)
        self._tokens = readings.tokens(self.name, credentials, self.taken)
        for name, value in variables.items():
            if value.startswith(f"{self.folder}/"):
                self.taken.add("disk", self.name, name, value.removeprefix(f"{self.folder}/"))
        peers = {
            name: f"http://127.0.0.1:{peers_port}"
            for name, value in variables.items()
            if value.startswith("http://127")
        }
        stand_ins = {
            name: self.valkey_url
            for name in ("VALERIX_VALKEY_URL", "VALERIX_BUS_URL")
            if name in variables
        }
        return variables | peers | stand_ins | {"VALERIX_CALL_RETRIES": "0"}

    # --- events and requests to the process

    async def _publish_all(self, valkey: Any) -> None:
        """Publishes one event of every type."""
        for file in sorted(EVENTS.glob("*.json")):
            event = json.loads(file.read_text())
            await _publish(valkey, f"pins:{event['type']}", event)

    async def _publish_broken(self, valkey: Any) -> None:
        """Publishes a message that cannot be processed as one batch, for each consumer."""
        for name in ("customer.registered", "order.shipped"):
            await _publish(
                valkey, BROKEN, json.loads((EVENTS / f"valerix.{name}.v1.json").read_text())
            )

    async def _ask_everything(self, valkey: Any) -> None:
        table = await self._ask(Asked("", "GET", "/internal/v1/routes", by="admin"))
        for entry in table.json:
            access = ",".join(entry["access"]) or "public"
            path = re.sub(
                "^/static/.*", "/static/<file>", entry["path"]
            )  # pages contain the names of their files
            self.taken.add("routes", self.name, entry["method"], path, access)
        if self.name != "console":  # the console's document is the platform's
            readings.of_openapi(
                self.name,
                (await self._ask(Asked("", "GET", "/openapi.json", by=""))).json,
                self.taken,
            )
        await self._ask_for_chaos()
        await self._take_down(requests.INJECT)
        await self._wait_for_the_fault()
        for asked in [requests.STRIKE, *requests.OF.get(self.name, [])]:
            await self._take_down(asked)
        kept = self.folder / "psp" / "faults.json"
        stored = await valkey.get(f"valerix:chaos:{self.name}")
        register = (
            json.loads(kept.read_bytes())["register"] if stored is None else json.loads(stored)
        )
        for way in shape(register):
            self.taken.add("valkey", "register of faults", way)
        if self.name == "users":
            await self._ask(Asked("", "GET", "/actuator/prometheus", by=""))

    async def _wait_for_the_fault(self) -> None:
        """Waits until the fault is in force: Valkey notifies the process after the answer."""
        until = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
        while (
            await self._ask(requests.STRIKE)
        ).status == NOT_FOUND and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)

    async def _ask_for_chaos(self) -> None:
        chaos = (await self._ask(Asked("", "GET", "/api/v1/chaos"))).json
        for kind in ("failpoints", "behaviours", "dependencies"):
            for one in chaos[kind]:
                self.taken.add("chaos", self.name, kind, one)

    async def _ask(self, asked: Asked) -> Answer:
        token = self._tokens.get(asked.by, "")
        own = {"cookie": f"valerix_access={token}"} if asked.by == "cookie" else {}
        headers = (
            own
            | ({"authorization": f"Bearer {token}"} if token and not own else {})
            | asked.headers
        )
        body = None if asked.body is None else json.dumps(asked.body).encode()
        content = {} if body is None else {"content-type": "application/json"}
        return await asgi.request(
            self.app,
            asked.method,
            f"http://{self.name}{asked.path}",
            list((headers | content).items()),
            body,
        )

    async def _take_down(self, asked: Asked) -> None:
        begun = len(self.database.statements)
        answer = await self._ask(asked)
        document = json.loads(answer.body) if answer.body else {}
        if problem := document.get("type"):
            self.taken.add("answers", "type of a problem", problem.partition("#")[0])
        said = document.get("code") or document.get("errorCode") or document.get("status") or ""
        self.taken.add("answers", self.name, asked.name, answer.status, said)
        for header, value in answer.headers.items():
            self.taken.add(
                "headers",
                self.name,
                "answers",
                header,
                value.split(";")[0] if "limit" in header else "",
            )
        for cookie in answer.set_cookies:
            self.taken.add("headers", self.name, "cookie", settled(cookie))
        readings.of_request(self.name, asked, self.database.statements[begun:], self.taken)

    # --- results

    async def _listen(self) -> None:
        """Records the process's commands to its Valkey database, and the channels that it
        subscribes to.
        """
        number = urlsplit(self.valkey_url).path.strip("/")
        async with (
            Redis.from_url(self.valkey_url, socket_timeout=None) as valkey,
            valkey.monitor() as monitor,
        ):
            self._listening.set()
            async for seen in monitor.listen():
                if str(seen["db"]) == number:
                    readings.of_command(self.name, seen["command"], self.taken)

    async def _settle(self, later: str = "nothing") -> None:
        """Waits until all recorded lines were seen, except those with the word `later`, and no new
        line arrives.
        """
        loop, read, count = asyncio.get_running_loop(), 0, -1
        wanted = {one for one in self._by_itself() if later not in one[1]}
        until, quiet_at = loop.time() + TIMEOUT_SECONDS, loop.time() + QUIET_SECONDS
        while loop.time() < quiet_at or (wanted and loop.time() < until):
            statements, read = self.database.statements[read:], len(self.database.statements)
            readings.of_statements(self.name, statements, self.taken)
            readings.of_calls(self.name, self.peers.calls, self.taken)
            wanted -= {
                (section, line)
                for section in readings.BY_ITSELF
                for line in self.taken.lines[section]
            }
            if (seen := sum(map(len, self.taken.lines.values()))) != count:
                count, quiet_at = seen, loop.time() + QUIET_SECONDS
            await asyncio.sleep(0.05)

    def _by_itself(self) -> set[tuple[str, str]]:
        """Returns the recorded lines of this process that occur in the background, with their
        sections.
        """
        known = recorded()
        lines = {
            (section, line) for section in readings.BY_ITSELF for line in known.get(section, ())
        }
        return {(section, line) for section, line in lines if line.split(" ")[0] == self.name}


async def _publish(valkey: Any, message: str, event: dict[str, Any]) -> None:
    await valkey.xadd(
        f"bus:{event['source'].rpartition('/')[2]}", {"id": message, "body": json.dumps([event])}
    )


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    name, folder, valkey_url, result = sys.argv[1:]
    observed = Observed(name, Path(folder), valkey_url)
    asyncpg.connect = observed.database.connect  # type: ignore[assignment]  # a stand-in
    facts = asyncio.run(observed.run())
    Path(result).write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
