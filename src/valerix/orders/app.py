"""Composition root of the orders service."""

from contextlib import AsyncExitStack

from valerix.chassis.http.asyncapi import asyncapi_route
from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Parts, Service, create_service
from valerix.chassis.messaging.dead_letters import dead_letter_routes
from valerix.contracts.events import ORDERS
from valerix.orders import composition, consumers, metrics
from valerix.orders.composition import Settings as Settings
from valerix.orders.routes import changing, reading
from valerix.orders.routes.describing import command_routes
from valerix.orders.routes.place import place_route
from valerix.orders.schemas import EVENT_DATA, PROBLEMS


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("orders", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> Parts:
    """Settings → resources → use cases → routes."""
    built = await composition.build(settings, resources)
    metrics.responses.cover(settings.answer_window_seconds)
    inbox = consumers.inbox(built.database, built.relay.bus, built.read_model)
    return Parts(
        routes=[*reading.ROUTES, *changing.ROUTES, *dead_letter_routes("orders", inbox)],
        raw=[
            place_route(built.flows.placing, built.flows.products),
            *command_routes(built.flows.queries, built.flows.refunds),
            asyncapi_route(ORDERS, EVENT_DATA),
        ],
        provides={"changes": built.flows.changes, "fulfilment": built.flows.fulfilment, "queries": built.flows.queries},
        essentials={"database": tables_present(built.database, composition.TABLES)},
        reported={"bus": built.relay.bus.check},
        downstream=built.clients,
        queues=[built.flows.placing.placements],
        responses=metrics.responses,
        jobs=[built.relay.run],
        problems=PROBLEMS,
    )
