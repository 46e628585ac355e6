"""The parts that both halves of orders - the service and its worker - are made of."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import NamedTuple

from valerix.chassis.base.settings import ServiceSettings, SettingsError
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.chassis.identity.tokens import TokenIssuer
from valerix.chassis.messaging.outbox import Relay, open_relay
from valerix.chassis.postgres.database import KEYED, Database
from valerix.contracts.events import ORDERS
from valerix.orders import repository
from valerix.orders.domain import Retry
from valerix.orders.saga import Saga, Services
from valerix.orders.use_cases import Orders

PLANNED = {**KEYED, "enable_sort": "off"}
"""What is due comes in the order of its index, also from a table too young for statistics: a sort reads all of it."""
TABLES = ["orders", "order_events", "order_products", "outbox", "inbox", "dead_letters"]


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Lanes are sagas under way at once; each needs a connection only while it writes."""

    users_url: tuple[str, ...]
    inventory_url: tuple[str, ...]
    payments_url: tuple[str, ...]
    search_lanes: int = 2
    """Connections for lists and searches, which are planned for what was asked and may take their time."""
    saga_lanes: int = 4
    saga_batch: int = 64
    hold_minutes: float = 30.0
    customer_ttl_seconds: float = 5.0
    """How long a customer found valid is taken to be so without asking again."""
    dwell_seconds: float = 1.0
    """How long the simulated warehouse takes for each step: confirmed, processing, shipped."""
    sweep_pause_seconds: float = 0.5
    sweep_batch: int = 100


class Built(NamedTuple):
    database: Database
    orders: Orders
    services: Services
    relay: Relay


async def build(settings: Settings, resources: AsyncExitStack) -> Built:
    """Open the database and the clients, and put the use cases on top."""
    if settings.signing_key_file is None:
        raise SettingsError("VALERIX_SIGNING_KEY_FILE is missing")
    tokens = TokenIssuer(settings.signing_key_file)

    async def client(name: str, urls: tuple[str, ...]) -> HttpClient:
        opened = HttpClient.open(name, urls, Policy.of(settings), tokens=tokens)
        return await resources.enter_async_context(opened)

    database = await resources.enter_async_context(
        Database.open(settings.database_url, settings.database_lanes, PLANNED)
    )
    reader = await resources.enter_async_context(Database.open(settings.database_url, settings.search_lanes))
    services = Services(
        users=await client("users", settings.users_url),
        inventory=await client("inventory", settings.inventory_url),
        payments=await client("payments", settings.payments_url),
    )
    relay = await open_relay(settings, resources, ORDERS, repository.list_outgoing)
    hold, dwell = timedelta(minutes=settings.hold_minutes), timedelta(seconds=settings.dwell_seconds)

    async def directory(customer_ids: list[str]) -> dict[str, str]:
        return await database.repeat(lambda tx: repository.list_standings(tx, customer_ids))

    retry = Retry(settings.saga_retry_seconds, settings.saga_retry_max_seconds)
    saga = Saga(services, directory, hold, dwell, retry, settings.customer_ttl_seconds)
    orders = Orders(
        database, reader, saga, relay.wake, lanes=settings.saga_lanes, max_batch=settings.saga_batch, timeouts=settings
    )
    resources.push_async_callback(orders.close)
    return Built(database, orders, services, relay)
