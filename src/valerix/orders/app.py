"""Composition root of the orders service."""

from contextlib import AsyncExitStack
from typing import Final

from valerix.chassis.http.asyncapi import asyncapi_route
from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.chassis.messaging.acts import acts_route, open_acts
from valerix.chassis.messaging.dead_letters import dead_letter_routes
from valerix.contracts.events import INVENTORY, ORDERS, PAYMENTS
from valerix.orders import composition, consumers, metrics
from valerix.orders.acts import OrderActs
from valerix.orders.composition import Settings as Settings
from valerix.orders.routes import changing, reading
from valerix.orders.routes.describing import command_routes
from valerix.orders.routes.place import place_route
from valerix.orders.schemas import EVENT_DATA, PROBLEMS

KEEPING_ACTS: Final = (INVENTORY, PAYMENTS)
"""Services in which staff act on the stock and the payment of an order."""


def create(settings: Settings) -> Service:
    """Create the ASGI application."""
    return create_service("orders", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Connect settings → resources → use cases → routes."""
    built = await composition.build(settings, resources)
    metrics.responses.cover(settings.answer_window_seconds)
    inbox = consumers.inbox(built.database, built.relay.bus, built.read_model)
    acts_jobs = await open_acts(settings, resources, ORDERS, built.relay.bus, built.database)
    return ServiceParts(
        routes=[
            *reading.ROUTES,
            *changing.ROUTES,
            *dead_letter_routes("orders", inbox),
            acts_route(built.database),
        ],
        raw=[
            place_route(built.flows.placing, built.flows.products),
            *command_routes(built.flows.queries, built.flows.refunds),
            asyncapi_route({ORDERS: EVENT_DATA}),
        ],
        provides={
            "changes": built.flows.changes,
            "fulfilment": built.flows.fulfilment,
            "queries": built.flows.queries,
            "order_acts": OrderActs(
                built.database, [c for c in built.clients if c.dependency in KEEPING_ACTS]
            ),
        },
        essentials={"database": tables_present(built.database, composition.TABLES)},
        reported={"bus": built.relay.bus.check},
        downstream=built.clients,
        queues=[built.flows.placing.placements],
        responses=metrics.responses,
        jobs=[built.relay.run, *acts_jobs],
        problems=PROBLEMS,
    )
