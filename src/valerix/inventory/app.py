"""Composition root of the inventory service."""

from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from valerix.chassis.calls.peers import open_peer
from valerix.chassis.http.asyncapi import asyncapi_route
from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.chassis.messaging.acts import acts_route, open_acts
from valerix.chassis.messaging.dead_letters import dead_letter_routes
from valerix.chassis.messaging.outbox import open_relay
from valerix.chassis.postgres.database import KEYED
from valerix.chassis.postgres.migrations import open_database
from valerix.contracts.events import INVENTORY
from valerix.inventory import consumers, jobs
from valerix.inventory.by_hand import StockByHand
from valerix.inventory.composition import TABLES, connect
from valerix.inventory.composition import Settings as Settings
from valerix.inventory.repository.outbox import list_outgoing
from valerix.inventory.routes import ROUTES
from valerix.inventory.routes.internal import command_routes
from valerix.inventory.schemas import EVENT_DATA, PROBLEMS


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("inventory", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Settings → database → use cases → routes."""
    database = await open_database(
        settings, resources, INVENTORY, settings.database_connections, KEYED
    )
    reserving, stock, catalogue = connect(database, timedelta(hours=settings.set_aside_hours))
    orders = await open_peer("orders", settings.orders_url, settings, resources)
    relay = await open_relay(settings, resources, INVENTORY, list_outgoing)
    acts_jobs = await open_acts(settings, resources, INVENTORY, relay.bus, database)
    inbox = consumers.inbox(database, relay.bus, reserving, settings.deadline_seconds)
    own = [partial(jobs.refresh_gauges, stock), partial(jobs.sweep, reserving)]
    return ServiceParts(
        routes=[*ROUTES, *dead_letter_routes("inventory", inbox), acts_route(database)],
        raw=[*command_routes(reserving, catalogue), asyncapi_route({INVENTORY: EVENT_DATA})],
        provides={
            "stock": stock,
            "by_hand": StockByHand(reserving, orders),
            "catalogue": catalogue,
        },
        essentials={"database": tables_present(database, TABLES)},
        reported={"bus": relay.bus.check},
        downstream=[orders],
        queues=[reserving.reserving, reserving.ending],
        jobs=[*own, relay.run, inbox.run, inbox.prune, *acts_jobs],
        problems=PROBLEMS,
    )
