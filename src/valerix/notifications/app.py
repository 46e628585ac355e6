"""Composition root of the notifications service."""

from contextlib import AsyncExitStack
from functools import partial

from redis.asyncio import Redis

from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.chassis.http.sockets import Places, SocketRoute
from valerix.chassis.messaging.acts import acts_route, open_acts
from valerix.chassis.messaging.bus.connect import open_bus
from valerix.chassis.messaging.dead_letters import dead_letter_routes
from valerix.chassis.postgres.database import KEYED
from valerix.chassis.postgres.migrations import open_database
from valerix.contracts.roles import ANYONE
from valerix.notifications import consumers, describing, jobs, live, metrics
from valerix.notifications.hub import Hub
from valerix.notifications.links import with_links
from valerix.notifications.routes import ROUTES
from valerix.notifications.schemas import PROBLEMS
from valerix.notifications.senders import channels
from valerix.notifications.settings import Settings as Settings
from valerix.notifications.use_cases import MessageDelivery, Notifications
from valerix.notifications.wakeups import Wakeups

TABLES = ["notifications", "claims", "contacts", "live_batches", "acts", "inbox", "dead_letters"]


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("notifications", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Settings → resources → use cases → routes, consumer, jobs."""
    database = await open_database(
        settings, resources, consumers.CONSUMER, settings.database_connections, KEYED
    )
    bus = await resources.enter_async_context(open_bus(settings.bus_url, settings.instance))
    valkey = await resources.enter_async_context(Redis.from_url(settings.valkey_url))
    notifications, wakeups = Notifications(database), Wakeups(valkey, hub := Hub(database))
    places = Places(settings.max_sockets, metrics.websocket_connections)
    acts_jobs = await open_acts(settings, resources, consumers.CONSUMER, bus, database)
    inbox = consumers.inbox(database, bus, notifications, wakeups)
    senders = with_links(
        settings.links,
        channels(settings.smtp_url, settings.smtp_from, settings.send_timeout_seconds),
    )
    delivery = MessageDelivery(database, senders, settings.rules)
    return ServiceParts(
        routes=[*ROUTES, *dead_letter_routes("notifications", inbox), acts_route(database)],
        raw=[describing.route()],
        sockets=[
            SocketRoute(live.PATH, ANYONE, settings.cors_origins, partial(live.serve, hub, places))
        ],
        provides={"notifications": notifications, "links": settings.links},
        essentials={"database": tables_present(database, TABLES)},
        reported={"bus": bus.check},
        jobs=[
            *(inbox.run, inbox.prune, hub.run, wakeups.publish, wakeups.listen, *acts_jobs),
            partial(jobs.deliver, delivery),
            partial(jobs.measure, notifications),
            partial(jobs.prune, notifications, settings.live_events_kept),
        ],
        problems=PROBLEMS,
    )
