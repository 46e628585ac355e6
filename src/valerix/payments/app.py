"""Composition root of the payments service."""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.chassis.http.asyncapi import asyncapi_route
from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Parts, Service, create_service
from valerix.chassis.messaging.outbox import open_relay
from valerix.chassis.postgres.database import KEYED, Database
from valerix.contracts.events import PAYMENTS
from valerix.payments import jobs
from valerix.payments.composition import connect
from valerix.payments.provider import Provider
from valerix.payments.repository.outbox import list_outgoing
from valerix.payments.routes import ROUTES, internal_routes
from valerix.payments.schemas import EVENT_DATA, PROBLEMS

TABLES = ["payments", "refunds", "payment_events", "outbox"]


class Settings(ServiceSettings, frozen=True, kw_only=True):
    psp_url: tuple[str, ...]
    psp_secret: str


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("payments", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> Parts:
    """Settings → resources → use cases → routes, jobs."""
    database = await resources.enter_async_context(Database.open(settings.database_url, settings.database_lanes, KEYED))
    client = await resources.enter_async_context(
        HttpClient.open(
            "psp",
            settings.psp_url,
            replace(Policy.of(settings), timeout_seconds=settings.provider_timeout_seconds, retries=0),
            headers={"authorization": f"Bearer {settings.psp_secret}"},
        )
    )
    relay = await open_relay(settings, resources, PAYMENTS, list_outgoing)
    payments = connect(database, Provider(client, settings.call_backoff_seconds), settings)
    resources.push_async_callback(payments.close)
    return Parts(
        routes=ROUTES,
        raw=[*internal_routes(payments), asyncapi_route(PAYMENTS, EVENT_DATA)],
        provides={"payments": payments},
        essentials={"database": tables_present(database, TABLES)},
        downstream=[client],
        queues=[payments.door],
        reported={"bus": relay.bus.check},
        jobs=[partial(jobs.resolve, payments), relay.run],
        problems=PROBLEMS,
    )
