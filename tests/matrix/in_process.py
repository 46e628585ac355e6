"""Runs every service of the platform in this process, on real databases, a real Valkey and the real
provider.

The services get the settings that the launcher would give them. Tests call their ASGI apps
directly. The services call one another over loopback ports, on which each one listens as the served
process does.
"""

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch
from urllib.parse import urlsplit

import asyncpg
import structlog
import uvicorn
from litestar.types import ASGIApp
from redis.asyncio import Redis

from tests.matrix import asgi
from tests.support.api import Answer, Api
from tests.support.brokers import ValkeyServer
from tests.support.folders import empty_folder
from tests.support.leaks import assert_no_leaks
from tests.support.postgres import PostgresServer
from tests.support.quick_hashes import quick_hashes
from valerix.chassis.base import settings
from valerix.chassis.http.server import config
from valerix.chassis.http.service import Service
from valerix.console import gather
from valerix.inventory import demo as inventory_demo
from valerix.launcher import topology
from valerix.launcher.credentials import Credentials
from valerix.launcher.keys import make_keys
from valerix.launcher.ports import free_ports
from valerix.launcher.programs import Plan, environment, users_of_valkey
from valerix.launcher.settings import GatewaySettings
from valerix.launcher.topology import VALKEY
from valerix.launcher.valkey import ValkeyUser
from valerix.users import demo as users_demo

ONE_METRIC = "/metrics?name[]=python_info"
"""What the console reads of each service here: all services share one registry, so that each would
write the metrics of all, every other second.
"""
PUBLIC_URL = "http://platform"
"""Replaces the gateway: requests to it go to the service that the topology names."""
OWNERS = {resource: process.name for process in topology.PUBLIC for resource in process.resources}


class LocalServer(uvicorn.Server):
    """A server that does not change the signal handlers of the test process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class InProcess:
    """The running platform."""

    has_gateway = False
    url = PUBLIC_URL

    def __init__(self, secrets: Path, databases: Mapping[str, str]) -> None:
        self.secrets = secrets
        self._databases = databases
        self._services: dict[str, Service] = {}

    def service_url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._services[service].settings.port}"

    @asynccontextmanager
    async def open(self, url: str, token: str | None = None) -> AsyncIterator[Api]:
        yield Api(self._send, url, token)

    async def handshake(self, url: str, headers: Mapping[str, str]) -> int:
        return await asgi.handshake(self._app(url), url, list(headers.items()))

    async def rows(self, database: str, query: str, *arguments: object) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self._databases[database])
        try:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def _send(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes | None
    ) -> Answer:
        return await asgi.request(self._app(url), method, url, headers, body)

    def _app(self, url: str) -> Service:
        if url.startswith(PUBLIC_URL):
            _, _, _, resource, *_ = urlsplit(url).path.split("/")  # /api/v1/<resource>
            return self._services[OWNERS[resource]]
        by_port: dict[int | None, Service] = {
            app.settings.port: app for app in self._services.values()
        }
        return by_port[urlsplit(url).port]

    # --- start and stop

    @classmethod
    @asynccontextmanager
    async def running(
        cls, postgres: PostgresServer, folder: Path, **more: str
    ) -> AsyncIterator[Self]:
        """Starts all services; `more`: settings of every service by field name."""
        credentials = Credentials(folder)
        make_keys(credentials)
        async with AsyncExitStack() as resources:
            resources.enter_context(quick_hashes())
            databases = resources.enter_context(_databases(postgres))
            await _seed(databases, credentials)
            platform = cls(credentials.keys_file.parent, databases)
            plan = Plan(data_dir=folder, ports=free_ports({}), gateway=GatewaySettings())
            server = resources.enter_context(
                _valkey(plan.ports[VALKEY], users_of_valkey(plan, credentials))
            )
            resources.push_async_callback(_assert_nothing_was_refused, server)
            resources.enter_context(patch.object(gather, "METRICS", ONE_METRIC))
            platform._services = _create(_environments(plan, credentials, databases, more))
            resources.enter_context(_logging_to(folder / "logs" / "services.log", platform.secrets))
            for service in platform._services.values():
                await resources.enter_async_context(listening(service, service.settings))
            yield platform


@contextmanager
def _databases(postgres: PostgresServer) -> Iterator[dict[str, str]]:
    """Creates databases; yields their URLs by the service's name."""
    made = {name: postgres.fresh_database(name) for name in topology.DATABASE_NAMES}
    try:
        yield {name: url for name, (_, url) in made.items()}
    finally:
        for database, _ in made.values():
            postgres.drop(database)


@contextmanager
def _valkey(port: int, users: Sequence[ValkeyUser]) -> Iterator[ValkeyServer]:
    with empty_folder() as folder, ValkeyServer.running(folder, port, users) as server:
        yield server


async def _assert_nothing_was_refused(server: ValkeyServer) -> None:
    """Asserts that Valkey refused no command: every service acted as its own user, within its
    permissions.
    """
    async with Redis.from_url(server.url) as valkey:
        assert await valkey.acl_log() == []


async def _seed(databases: Mapping[str, str], credentials: Credentials) -> None:
    """Seeds the databases as the launcher's job does."""
    demo, admin = credentials.demo_password, credentials.admin_password
    await users_demo.seed(databases["users"], demo_password=demo, admin_password=admin, demo=True)
    await inventory_demo.seed(databases["inventory"])


def _environments(
    plan: Plan, credentials: Credentials, databases: Mapping[str, str], shared: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Returns the environment of each service: the launcher's variables, with the databases of the
    test.
    """
    return {
        instance.process: environment(instance, plan, credentials)
        | {f"VALERIX_{name.upper()}": value for name, value in shared.items()}
        | _database_of(instance.process, databases)
        for instance in plan.instances
        if topology.BY_NAME[instance.process].is_service
    }


def _database_of(service: str, databases: Mapping[str, str]) -> dict[str, str]:
    database = topology.BY_NAME[service].database
    return {"VALERIX_DATABASE_URL": databases[database]} if database else {}


def _create(environments: Mapping[str, Mapping[str, str]]) -> dict[str, Service]:
    """Creates the ASGI apps as `valerix.cli.serve` does."""
    modules = {
        name: importlib.import_module(topology.BY_NAME[name].module) for name in environments
    }
    return {
        name: module.create(settings.load(module.Settings, environments[name]))
        for name, module in modules.items()
    }


@contextmanager
def _logging_to(log: Path, secrets: Path) -> Iterator[None]:
    """Directs the services' logs to `log`, and searches it for secrets at the end.

    Logging is configured once per process. Loggers must not keep this configuration: other tests
    replace it.
    """
    root = logging.getLogger()
    log.parent.mkdir()
    with log.open("wb") as stream:
        structlog.configure(
            logger_factory=structlog.BytesLoggerFactory(stream), cache_logger_on_first_use=False
        )
        try:
            yield
        finally:
            structlog.reset_defaults()
            for handler in [
                one
                for one in root.handlers
                if type(one).__module__ == "valerix.chassis.base.telemetry"
            ]:
                root.removeHandler(handler)
    assert_no_leaks([log], secrets)


@asynccontextmanager
async def listening(app: ASGIApp, options: settings.ServiceSettings) -> AsyncIterator[None]:
    """Runs the lifespan of the app and serves its port, as a real process does."""
    server = LocalServer(config(app, options))
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not running.done(), "the app did not start"
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await running
