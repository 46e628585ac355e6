"""Composition root of the console."""

from contextlib import AsyncExitStack
from functools import partial
from importlib import resources as package
from typing import Final

from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.chassis.http.sockets import Places, SocketRoute
from valerix.console import feed, states
from valerix.console.domain import merge_events, publish
from valerix.console.files import content_route, file_route, file_routes
from valerix.console.opening import open_gathering, open_provider_faults
from valerix.console.routes import (
    PAGES,
    get_history,
    logs_route,
    offer_route,
    page_route,
    redirect,
    reference_routes,
)
from valerix.console.schemas import offer
from valerix.console.settings import Settings as Settings
from valerix.console.use_cases import Reference
from valerix.contracts.events import SOURCES
from valerix.contracts.roles import STAFF

LIVE: Final = "notifications"
"""Publishes nothing on the bus, but shows the events of all services live."""


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("console", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Settings → resources → use cases → routes."""
    documented = settings.documented
    clients = [
        HttpClient.open(name, addresses, Policy.of(settings))
        for name, addresses in documented.items()
    ]
    services = [await resources.enter_async_context(client) for client in clients]
    publishers = [service for service in services if service.dependency in (*SOURCES, LIVE)]
    reference = Reference(services, "/openapi.json", publish, settings.reference_ttl_seconds)
    events = Reference(publishers, "/asyncapi.json", merge_events, settings.reference_ttl_seconds)
    faults = await open_provider_faults(settings, resources)
    gathering = await open_gathering(settings, faults, resources)
    live_feed = feed.Feed(gathering, settings.call_graph, settings.answer_window_seconds)
    places = Places(settings.max_sockets, feed.watching)
    static = package.files("valerix.console") / "static"
    pages = [
        redirect("/", PAGES),
        redirect("/console", PAGES),
        *file_route(static / "docs.html", "/docs"),
    ]
    pages += [
        *file_routes(static, "/static"),
        *content_route(states.module(), "js", f"/static{states.PATH}"),
    ]
    pages += [offer_route(offer(settings))]
    return ServiceParts(
        routes=[
            *(page_route(static / "index.html"), get_history),
            *([logs_route(settings.logs_folder)] if settings.logs_folder else []),
        ],
        raw=[*pages, *reference_routes(reference, events, documented)],
        sockets=[
            SocketRoute(
                feed.PATH, STAFF, settings.cors_origins, partial(feed.serve, live_feed, places)
            )
        ],
        provides={"gathering": gathering},
        downstream=services,
        jobs=[gathering.run],
        faults_elsewhere=faults,
    )
