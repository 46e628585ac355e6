"""The rights of each service in a real Valkey: all that it does, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from tests.support.brokers import ValkeyServer
from tests.support.eventually import eventually
from valerix.bench.drain import STREAMS
from valerix.chassis.chaos.faults import Gremlin, Register
from valerix.chassis.chaos.injector import Injector
from valerix.chassis.chaos.store import Menu, ValkeyStore
from valerix.chassis.chaos.use_cases import Chaos
from valerix.chassis.limits.shared_limit import SharedBuckets, open_valkey
from valerix.chassis.messaging.bus.base import Bus, Message
from valerix.chassis.messaging.bus.connect import open_bus
from valerix.contracts.acts import Actor
from valerix.contracts.events import ACT_SOURCES, ACTS, CONSUMERS, SOURCES
from valerix.contracts.ids import new_id
from valerix.launcher import topology, valkey, valkey_users
from valerix.notifications.wakeups import CHANNEL

BUS_USERS = [name for name in valkey_users.NAMES if topology.BY_NAME[name].database]
ADMIN = Actor("root", "admin", "::1", "a" * 32)


def users(*, chaos: bool) -> list[valkey.ValkeyUser]:
    names = (*valkey_users.NAMES, valkey_users.LAUNCHER)
    return [
        valkey.ValkeyUser(name, f"secret of {name}", valkey_users.rules(name, chaos=chaos))
        for name in names
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer.running(tmp_path_factory.mktemp("users"), users=users(chaos=True)) as running:
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server without fault injection."""
    with ValkeyServer.running(
        tmp_path_factory.mktemp("closed"), users=users(chaos=False)
    ) as running:
        yield running


@pytest.fixture(autouse=True)
async def nothing_is_refused_by_accident(server: ValkeyServer) -> AsyncIterator[None]:
    """Assert that no command was refused; tests of refusals empty the server's list of them."""
    yield
    async with Redis.from_url(server.url) as root:
        assert await root.acl_log() == []


def url(server: ValkeyServer, name: str) -> str:
    return valkey.url(server.port, f"secret of {name}".replace(" ", "%20"), name)


@asynccontextmanager
async def connected(server: ValkeyServer, name: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(url(server, name)) as client:
        yield client


async def refuses(server: ValkeyServer, name: str, *command: str) -> None:
    async with connected(server, name) as client:
        with pytest.raises(NoPermissionError):
            # The library has no types.
            await client.execute_command(*command)  # type: ignore[no-untyped-call]
    async with Redis.from_url(server.url) as root:
        await root.acl_log_reset()


def topics_of(name: str) -> list[str]:
    """Return the topics that the service publishes to."""
    own = topology.BY_NAME[name].database
    return [*([own] if own in SOURCES else []), *([ACTS] if own in ACT_SOURCES else [])]


def heard_by(name: str) -> list[str]:
    return [
        topic
        for topic, consumers in CONSUMERS.items()
        if topology.BY_NAME[name].database in consumers
    ]


# --- all that each does


@pytest.mark.parametrize("name", BUS_USERS)
async def test_a_service_tells_its_topics(server: ValkeyServer, name: str) -> None:
    async with open_bus(url(server, name), name) as bus:
        await bus.check()
        for topic in topics_of(name):
            await bus.declare([topic], CONSUMERS[topic])
            await bus.publish([Message(topic, new_id(), b"[]"), Message(topic, new_id(), b"[]")])


@pytest.mark.parametrize("name", [name for name in BUS_USERS if heard_by(name)])
async def test_a_service_hears_its_topics_also_what_was_left_unacknowledged(
    server: ValkeyServer, name: str
) -> None:
    received: dict[str, str] = {}
    failed = asyncio.Event()

    async def failing(_: object) -> None:
        failed.set()
        raise RuntimeError("not yet")

    async def receive(deliveries: Any) -> None:
        received.update({delivery.message.id: delivery.message.topic for delivery in deliveries})

    async with AsyncExitStack() as resources:
        bus: Bus = await resources.enter_async_context(open_bus(url(server, name), name))
        root: Bus = await resources.enter_async_context(open_bus(server.url, "root"))
        consumer = topology.BY_NAME[name].database
        for handle in (failing, receive):
            sent = {new_id(): topic for topic in heard_by(name)}
            await root.publish([Message(topic, message, b"[]") for message, topic in sent.items()])
            following = asyncio.create_task(bus.subscribe(consumer, heard_by(name), handle))
            await (
                failed.wait()
                if handle is failing
                else eventually(partial(_all_received, received, sent), 30)
            )
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _all_received(received: dict[str, str], sent: dict[str, str]) -> bool:
    return sent.items() <= received.items()


async def test_users_counts_and_gives_back(server: ValkeyServer) -> None:
    async with open_valkey(url(server, "users")) as client:
        buckets = SharedBuckets(client, "sign-in", 1, 600)
        await buckets.admit("somebody", "guesses")
        await buckets.give_back("somebody")
        await buckets.admit("somebody", "guesses")
    async with Redis.from_url(server.url) as root:
        assert await root.get("limit:sign-in:somebody"), "counted in Valkey, not beside it"


async def test_notifications_wakes_its_replicas(server: ValkeyServer) -> None:
    async with connected(server, "notifications") as client, client.pubsub() as channel:
        await channel.subscribe(CHANNEL)
        assert (await channel.get_message(timeout=10))["type"] == "subscribe"
        assert await client.publish(CHANNEL, b"") == 1
        assert (await channel.get_message(timeout=10))["type"] == "message"
        await channel.unsubscribe(CHANNEL)


@pytest.mark.parametrize("name", valkey_users.NAMES)
async def test_a_service_takes_and_keeps_faults(server: ValkeyServer, name: str) -> None:
    async def recorded(*_: object) -> None: ...

    async with ValkeyStore.open(url(server, name), name, name) as store:
        injector, menu = Injector(store, ()), Menu([], [], [])
        await store.announce(menu)
        following = asyncio.create_task(store.follow(injector.apply))

        async def follows() -> bool:
            return await store.copies(name, 0) == [name]

        await eventually(follows, 30)
        chaos = Chaos(store, name, menu, recorded)
        (fault,) = (await chaos.inject(Gremlin(every=1_000_000), ADMIN)).active
        assert await store.count(fault.id, None) == 1
        assert name in {one.service for one in await chaos.overview()}
        assert [one.active for one in await chaos.stop_all(ADMIN) if one.active] == []
        assert (await store.read(name)) != Register()
        following.cancel()


async def test_the_launcher_asks_and_counts(server: ValkeyServer) -> None:
    async with Redis.from_url(server.url) as root:
        await root.xadd("bus:orders", {"id": "1", "body": "[]"})
        await root.xgroup_create("bus:orders", "counting")
    async with connected(server, valkey_users.LAUNCHER) as launcher:
        assert await launcher.ping()
        assert b"bus:orders" in [
            stream async for stream in launcher.scan_iter(STREAMS, _type="stream")
        ]
        assert await launcher.xinfo_stream("bus:orders")
        assert await launcher.xinfo_groups("bus:orders")
        await launcher.xpending_range("bus:orders", "counting", min="-", max="+", count=1)


# --- and nothing else


async def test_a_connection_without_a_user_may_do_nothing(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path)
    server._users = users(chaos=True)  # as the launcher has them: without the user of the tests
    command = valkey.command(tmp_path, server.port, server._users)
    assert "requirepass" not in (tmp_path / "valkey.conf").read_text()
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with connected(server, valkey_users.LAUNCHER) as launcher:

            async def answers() -> bool:
                try:
                    return bool(await launcher.ping())
                except (OSError, RedisError):
                    return False

            await eventually(answers, 30)
        for rejected_url in (f"redis://127.0.0.1:{server.port}/0", server.url):
            async with Redis.from_url(rejected_url) as client:
                with pytest.raises((AuthenticationError, NoPermissionError)):
                    await client.ping()
    finally:
        process.kill()
        await process.wait()


def test_the_provider_has_no_user() -> None:
    services = {process.name for process in topology.SERVICES}
    assert services - {*valkey_users.NAMES} == {topology.PSP}


@pytest.mark.parametrize("name", [*valkey_users.NAMES, valkey_users.LAUNCHER])
async def test_no_user_administers_reads_everything_or_forgets(
    server: ValkeyServer, name: str
) -> None:
    for command in (
        "CONFIG GET *",
        "FLUSHALL",
        "KEYS *",
        "ACL LIST",
        "MONITOR",
        "SHUTDOWN",
        "GET secret",
        "SET x 1",
    ):
        await refuses(server, name, *command.split())


@pytest.mark.parametrize("name", valkey_users.NAMES)
async def test_a_service_tells_nothing_in_the_name_of_another(
    server: ValkeyServer, name: str
) -> None:
    for topic in {*SOURCES, ACTS} - {*topics_of(name)}:
        await refuses(server, name, "XADD", f"bus:{topic}", "*", "id", "1", "body", "[]")
        await refuses(server, name, "XTRIM", f"bus:{topic}", "MAXLEN", "0")
        await refuses(server, name, "DEL", f"bus:{topic}")


@pytest.mark.parametrize("name", valkey_users.NAMES)
async def test_a_service_hears_nothing_that_is_not_for_it(server: ValkeyServer, name: str) -> None:
    for topic in CONSUMERS.keys() - {*heard_by(name)}:
        await refuses(
            server, name, "XREADGROUP", "GROUP", "any", "it", "STREAMS", f"bus:{topic}", ">"
        )
    for topic in CONSUMERS:
        await refuses(server, name, "XRANGE", f"bus:{topic}", "-", "+")
        await refuses(server, name, "SET", f"bus:{topic}:lease:somebody", "me")
    if name != "users":
        await refuses(server, name, "SET", "limit:sign-in:somebody", "0")
    if name != "notifications":
        await refuses(server, name, "PUBLISH", CHANNEL, "")


@pytest.mark.parametrize("name", valkey_users.NAMES)
async def test_nobody_injects_faults_where_that_is_off(closed: ValkeyServer, name: str) -> None:
    await refuses(closed, name, "SET", f"valerix:chaos:{name}", "{}")
    await refuses(closed, name, "HGETALL", "valerix:chaos")
    await refuses(closed, name, "PUBLISH", f"valerix:chaos:{name}", "1")
