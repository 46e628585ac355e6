"""Composition root of the orders service."""

from contextlib import AsyncExitStack

from valerix.chassis.http.asyncapi import asyncapi_route
from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Parts, Service, create_service
from valerix.chassis.messaging.dead_letters import dead_letter_routes
from valerix.contracts.events import ORDERS
from valerix.orders import composition, consumers, metrics
from valerix.orders.composition import Settings as Settings
from valerix.orders.routes import ROUTES, place_route
from valerix.orders.schemas import EVENT_DATA


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("orders", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> Parts:
    """Settings → resources → use cases → routes."""
    built = await composition.build(settings, resources)
    metrics.responses.cover(settings.answer_window_seconds)
    inbox = consumers.inbox(built.database, built.relay.bus)
    return Parts(
        routes=[*ROUTES, *dead_letter_routes("orders", inbox)],
        raw=[place_route(built.orders), asyncapi_route(ORDERS, EVENT_DATA)],
        provides={"orders": built.orders},
        essentials={"database": tables_present(built.database, composition.TABLES)},
        reported={"bus": built.relay.bus.check},
        downstream=list(vars(built.services).values()),
        queues=[built.orders.door],
        responses=metrics.responses,
        jobs=[built.relay.run],
    )
