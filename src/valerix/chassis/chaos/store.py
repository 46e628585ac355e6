"""Stores of injected faults.

In Valkey, so that every replica of a service learns of them, whichever replica took the request,
and a killed replica knows them again after its restart. In a file for a service that runs without
Valkey, as a single process.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from valerix.chassis.base.problems import Unavailable
from valerix.chassis.chaos.faults import Register

log = structlog.get_logger()
PREFIX: Final = "valerix:chaos"
TIMEOUT_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0
COUNT: Final = """
local struck = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
local times = tonumber(ARGV[3])
if times > 0 and struck >= times then return 0 end
redis.call('HINCRBY', KEYS[1], ARGV[2], 1)
return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
"""
Edit = Callable[[Register], Register]
_register = msgspec.json.Decoder(Register)
_encode = msgspec.json.Encoder().encode


class StoreUnavailable(Unavailable):
    """The store cannot be reached."""

    code, title = "chaos_store_unavailable", "Valkey cannot be reached"

    def __init__(self) -> None:
        super().__init__(
            "Faults are stored in Valkey, which cannot be reached; active faults end by themselves"
        )


class Menu(msgspec.Struct, frozen=True):
    """The faults that a service offers beyond those of every service."""

    failpoints: list[str]
    behaviours: list[str]
    dependencies: list[str]


class StrikeCounts(msgspec.Struct, frozen=True):
    """How often a fault struck, in total and by replica."""

    total: int = 0
    by_copy: dict[str, int] = {}


class Store(Protocol):
    """The registers of all services, and how often their faults struck."""

    async def announce(self, menu: Menu) -> None:
        """Publishes the faults that this service offers."""

    async def services(self) -> dict[str, Menu]:
        """Every service that has announced itself."""

    async def read(self, service: str) -> Register: ...

    async def change(self, service: str, edit: Edit) -> Register:
        """Edits the register. Returns when every replica has applied it, or after a time-out."""

    async def copies(self, service: str, version: int) -> list[str]:
        """The replicas that apply this version."""

    async def count(self, fault_id: str, times: int | None) -> int:
        """Counts one more strike and returns the total; 0 when there have been `times` already."""

    async def counts(self, service: str, fault_ids: list[str]) -> dict[str, StrikeCounts]: ...

    async def follow(self, apply: Callable[[Register], None]) -> None:
        """Applies this service's register now and after each change, until cancelled."""


class Kept(msgspec.Struct, frozen=True):
    """The contents of a file."""

    register: Register
    strikes: dict[str, int]


class LocalStore:
    """A store for one service that runs as a single process.

    The register is kept in memory, and in `file` for a successor of this process.
    """

    def __init__(self, service: str, instance: str, file: Path | None = None) -> None:
        self._service, self._instance, self._file = service, instance, file
        self._menu: Menu | None = None
        self._register = Register()
        self._strikes: Counter[str] = Counter()
        self._apply: Callable[[Register], None] = lambda register: None
        if file is not None:
            with suppress(FileNotFoundError):
                kept = msgspec.json.decode(file.read_bytes(), type=Kept)
                self._register, self._strikes = kept.register, Counter(kept.strikes)

    def _keep(self) -> None:
        """Writes the file, because a fault may kill the process.

        Without disk space, the faults hold until the process ends.
        """
        if self._file is None:
            return
        building = self._file.with_suffix(".new")
        try:
            building.touch(0o600)
            building.write_bytes(_encode(Kept(self._register, dict(self._strikes))))
            building.replace(self._file)
        except OSError as error:
            log.warning("faults cannot be stored for a successor of this process", error=str(error))

    async def announce(self, menu: Menu) -> None:
        self._menu = menu

    async def services(self) -> dict[str, Menu]:
        return {self._service: self._menu} if self._menu else {}

    async def read(self, service: str) -> Register:
        return self._register

    async def change(self, service: str, edit: Edit) -> Register:
        self._register = edit(self._register)
        self._strikes = Counter({one.id: self._strikes[one.id] for one in self._register.faults})
        self._keep()
        self._apply(self._register)
        return self._register

    async def copies(self, service: str, version: int) -> list[str]:
        return [self._instance]

    async def count(self, fault_id: str, times: int | None) -> int:
        if times is not None and self._strikes[fault_id] >= times:
            return 0
        self._strikes[fault_id] += 1
        self._keep()
        return self._strikes[fault_id]

    async def counts(self, service: str, fault_ids: list[str]) -> dict[str, StrikeCounts]:
        totals = {one: self._strikes[one] for one in fault_ids}
        return {one: StrikeCounts(n, {self._instance: n} if n else {}) for one, n in totals.items()}

    async def follow(self, apply: Callable[[Register], None]) -> None:
        self._apply = apply
        await asyncio.Event().wait()


class ValkeyStore:
    """Keeps four things per service: its register, a hash of strikes, a hash of the version that
    each replica applies, and a channel.
    """

    def __init__(self, valkey: Redis, service: str, instance: str) -> None:
        self._valkey, self._service, self._instance = valkey, service, instance
        self._local = LocalStore(service, instance)

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, service: str, instance: str) -> AsyncIterator["ValkeyStore"]:
        """Connects on first use. On leaving, removes this replica from the hash of versions."""
        valkey = Redis.from_url(
            url,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),  # the administrator retries
            socket_timeout=None,  # redis-py's own time-out loses cancellations on Python 3.11
            socket_connect_timeout=TIMEOUT_SECONDS,
        )
        store = cls(valkey, service, instance)
        try:
            yield store
        finally:
            await store._leave()
            await valkey.aclose()

    async def announce(self, menu: Menu) -> None:
        await _bounded(self._valkey.hset(PREFIX, self._service, _encode(menu).decode()))

    async def services(self) -> dict[str, Menu]:
        stored = await _bounded(self._valkey.hgetall(PREFIX))
        return {name: msgspec.json.decode(text, type=Menu) for name, text in sorted(stored.items())}

    async def read(self, service: str) -> Register:
        return _decoded(await _bounded(self._valkey.get(_key(service))))

    async def change(self, service: str, edit: Edit) -> Register:
        changed = Register()

        async def work(pipe: Any) -> None:
            nonlocal changed
            before = _decoded(await pipe.get(_key(service)))
            changed = edit(before)
            pipe.multi()
            pipe.set(_key(service), _encode(changed))
            if gone := {one.id for one in before.faults} - {one.id for one in changed.faults}:
                pipe.hdel(_key(service, "strikes"), *gone)
            pipe.publish(_key(service), str(changed.version))

        listening = (await _bounded(self._valkey.transaction(work, _key(service))))[-1]
        await self._wait_until_applied(service, changed.version, listening)
        return changed

    async def _wait_until_applied(self, service: str, version: int, listening: int) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                # The copies are in Valkey, so no event tells of them.
                while len(await self.copies(service, version)) < listening:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            log.warning("not every replica applied a change of faults in time", target=service)

    async def copies(self, service: str, version: int) -> list[str]:
        stored = await _bounded(self._valkey.hgetall(_key(service, "copies")))
        return sorted(name for name, applied in stored.items() if int(applied) >= version)

    async def count(self, fault_id: str, times: int | None) -> int:
        try:
            counting = self._valkey.eval(
                COUNT,
                1,
                _key(self._service, "strikes"),
                fault_id,
                f"{fault_id} {self._instance}",
                times or 0,
            )
            return cast(int, await _bounded(counting))
        except StoreUnavailable:
            return await self._local.count(fault_id, times)

    async def counts(self, service: str, fault_ids: list[str]) -> dict[str, StrikeCounts]:
        if not fault_ids:  # the usual case, which the console polls every other second
            return {}
        stored = await _bounded(self._valkey.hgetall(_key(service, "strikes")))
        found: dict[str, StrikeCounts] = {}
        for one in fault_ids:
            by_copy = {
                f.removeprefix(f"{one} "): int(n)
                for f, n in stored.items()
                if f.startswith(f"{one} ")
            }
            found[one] = StrikeCounts(int(stored.get(one, 0)), by_copy)
        return found

    async def follow(self, apply: Callable[[Register], None]) -> None:
        while True:
            try:
                async with self._valkey.pubsub() as channel:
                    await channel.subscribe(_key(self._service))
                    async for _ in channel.listen():  # the first message confirms the subscription
                        await self._apply(apply)
            except (RedisError, OSError, StoreUnavailable):
                await asyncio.sleep(RETRY_SECONDS)

    async def _apply(self, apply: Callable[[Register], None]) -> None:
        register = await self.read(self._service)
        apply(register)
        await _bounded(
            self._valkey.hset(_key(self._service, "copies"), self._instance, str(register.version))
        )

    async def _leave(self) -> None:
        try:
            await _bounded(self._valkey.hdel(_key(self._service, "copies"), self._instance))
        except StoreUnavailable:
            log.info("valkey not available, this replica stays on the list of those with faults")


def _key(service: str, *parts: str) -> str:
    return ":".join((PREFIX, service, *parts))


def _decoded(text: str | None) -> Register:
    return _register.decode(text) if text else Register()


async def _bounded(work: "Awaitable[Any] | Any") -> Any:
    """Awaits `work` with a time-out. Raises StoreUnavailable."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await work
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable from error
