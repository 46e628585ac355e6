"""The brokers of this test run, one of each kind. Every test uses its own topics."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support import brokers
from tests.support.brokers import Broker, ValkeyServer
from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.bus.connect import open_bus

NUMBERS = itertools.count(1)


def running(broker: Broker) -> Iterator[Broker]:
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    yield from running(ValkeyServer(tmp_path_factory.mktemp("valkey")))


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if not brokers.rabbitmq_is_installed():
        pytest.skip(f"needs Debian's package {brokers.PACKAGE}")
    yield from running(brokers.RabbitServer(tmp_path_factory.mktemp("rabbitmq")))


@pytest.fixture(params=["valkey", pytest.param("rabbit", id="rabbitmq")])
def broker(request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest_asyncio.fixture
async def bus(broker: Broker) -> AsyncIterator[Bus]:
    async with open_bus(broker.url, "test-1") as opened:
        yield opened


@pytest.fixture
def topic() -> str:
    return f"topic{next(NUMBERS)}"
