"""Composition root of the users service."""

from contextlib import AsyncExitStack

from valerix.chassis.asyncapi import asyncapi_route
from valerix.chassis.database import Database
from valerix.chassis.health import tables_present
from valerix.chassis.outbox import open_relay
from valerix.chassis.service import Parts, Service, create_service
from valerix.chassis.settings import ServiceSettings
from valerix.contracts.events import USERS
from valerix.users import repository
from valerix.users.passwords import PasswordPool
from valerix.users.routes import ROUTES, check_route
from valerix.users.schemas import EVENT_DATA
from valerix.users.tokens import AccessTokens
from valerix.users.use_cases import Users

TABLES = ["users", "user_events", "outbox"]


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """One thread checks some fifty passwords a second; more take CPU away from the other services."""

    password_threads: int = 1
    password_queue: int = 64
    """Sign-ins that may wait for a thread; one more is answered 503."""


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("users", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> Parts:
    """Settings → resources → use cases → routes."""
    tokens = AccessTokens(settings.signing_key_file)
    database = await resources.enter_async_context(Database.open(settings.database_url, settings.database_lanes))
    relay = await open_relay(settings, resources, USERS, repository.list_outgoing)
    pool = PasswordPool.open(settings.password_threads, settings.password_queue)
    users = Users(database, await resources.enter_async_context(pool), tokens)
    return Parts(
        routes=ROUTES,
        spared=("/api/v1/users/login", "/api/v1/users/refresh"),
        raw=[check_route(users), asyncapi_route(USERS, EVENT_DATA)],
        provides={"users": users, "keys_file": settings.keys_file},
        essentials={"database": tables_present(database, TABLES)},
        reported={"bus": relay.bus.check},
        jobs=[relay.run],
    )
