"""Composition root of the payments service."""

from contextlib import AsyncExitStack
from functools import partial

from valerix.chassis.calls.peers import open_peer
from valerix.chassis.http.asyncapi import asyncapi_route
from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.chassis.messaging.acts import acts_route, open_acts
from valerix.chassis.messaging.outbox import open_relay
from valerix.chassis.postgres.database import KEYED
from valerix.chassis.postgres.migrations import open_database
from valerix.contracts.events import PAYMENTS
from valerix.payments import composition, jobs
from valerix.payments.composition import Settings as Settings
from valerix.payments.provider import Provider
from valerix.payments.repository.outbox import list_outgoing
from valerix.payments.routes import ROUTES, internal_routes
from valerix.payments.schemas import EVENT_DATA, PROBLEMS

TABLES = ["payments", "refunds", "capture_keys", "payment_events", "acts", "outbox"]


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("payments", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Settings → resources → use cases → routes, jobs."""
    database = await open_database(
        settings, resources, PAYMENTS, settings.database_connections, KEYED
    )
    psp = await composition.open_provider(settings, resources)
    orders = await open_peer("orders", settings.orders_url, settings, resources)
    relay = await open_relay(settings, resources, PAYMENTS, list_outgoing)
    acts_jobs = await open_acts(settings, resources, PAYMENTS, relay.bus, database)
    payments = composition.connect(database, Provider(psp, settings.call_backoff_seconds), settings)
    resources.push_async_callback(payments.close)
    reports = composition.connect_refund_reports(database, orders, settings)
    return ServiceParts(
        routes=[*ROUTES, acts_route(database)],
        raw=[*internal_routes(payments), asyncapi_route({PAYMENTS: EVENT_DATA})],
        provides={
            "payments": payments,
            "captures": composition.connect_captures(database, payments, orders),
            "searching": composition.connect_searching(database, orders),
            "by_hand": composition.connect_refunds(database, payments, orders),
        },
        essentials={"database": tables_present(database, TABLES)},
        downstream=[psp, orders],
        queues=[payments.openings],
        reported={"bus": relay.bus.check},
        jobs=[
            partial(jobs.resolve, payments),
            partial(jobs.report_refunds, reports),
            relay.run,
            *acts_jobs,
        ],
        problems=PROBLEMS,
    )
