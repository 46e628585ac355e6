"""Composition root of the console."""

from contextlib import AsyncExitStack
from importlib import resources as package

from valerix.chassis.http_client import HttpClient
from valerix.chassis.service import Parts, Service, create_service
from valerix.chassis.settings import ServiceSettings
from valerix.console.domain import merge, merge_events
from valerix.console.files import file_route, file_routes
from valerix.console.routes import redirect, reference_routes
from valerix.console.use_cases import Reference
from valerix.contracts.events import SOURCES


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """The services whose descriptions make up the reference."""

    orders_url: tuple[str, ...]
    inventory_url: tuple[str, ...]
    payments_url: tuple[str, ...]
    users_url: tuple[str, ...]
    notifications_url: tuple[str, ...]
    reference_ttl_seconds: float = 5.0


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("console", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> Parts:
    """Settings → resources → use cases → routes."""
    urls = {
        "orders": settings.orders_url,
        "inventory": settings.inventory_url,
        "payments": settings.payments_url,
        "users": settings.users_url,
        "notifications": settings.notifications_url,
    }
    services = [await resources.enter_async_context(HttpClient.open(*each)) for each in urls.items()]
    tellers = [service for service in services if service.dependency in SOURCES]
    reference = Reference(services, "/openapi.json", merge, settings.reference_ttl_seconds)
    events = Reference(tellers, "/asyncapi.json", merge_events, settings.reference_ttl_seconds)
    static = package.files("valerix.console") / "static"
    pages = [redirect("/", "/docs"), *file_route(static / "docs.html", "/docs"), *file_routes(static, "/static")]
    return Parts(raw=[*pages, *reference_routes(reference, events, urls)], downstream=services)
