"""The platform in this process, and the event loop that served processes use."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from tests.matrix.callers import OPERATOR, OWNER
from tests.matrix.in_process import InProcess
from tests.matrix.world import World, new_world
from tests.support.api import Api
from tests.support.groups import UNLIMITED
from tests.support.postgres import PostgresServer


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[InProcess]:
    """Provides a platform with chaos enabled, because its permissions are part of the matrix. Its
    orders stay confirmed.
    """
    folder = tmp_path_factory.mktemp("platform")
    async with InProcess.running(
        postgres, folder, chaos="enabled", dwell_seconds="3600", **UNLIMITED
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(platform: InProcess) -> World:
    return await new_world(platform)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def owner(world: World) -> AsyncIterator[Api]:
    async with world.api(OWNER) as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(world: World) -> AsyncIterator[Api]:
    async with world.api(OPERATOR) as api:
        yield api
