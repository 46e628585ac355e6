"""The parts that both halves of orders, the service and its worker, are made of."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import NamedTuple

from valerix.chassis.base import timeouts
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.peers import open_peer
from valerix.chassis.messaging.outbox import Relay, open_relay
from valerix.chassis.postgres.database import KEYED, Database
from valerix.chassis.postgres.migrations import open_database
from valerix.contracts.events import ORDERS
from valerix.orders.bounds import DEFAULT, Bounds
from valerix.orders.changes import Changes
from valerix.orders.decisions import Retry, StockWait
from valerix.orders.driving import Driving
from valerix.orders.fulfilment import Fulfilment
from valerix.orders.placing import Placing
from valerix.orders.products import Products
from valerix.orders.queries import Queries
from valerix.orders.read_model import ReadModel
from valerix.orders.refunds import RefundNotes
from valerix.orders.repository.bounds import BoundsRepository
from valerix.orders.repository.changes import ChangesRepository
from valerix.orders.repository.driving import DrivingRepository
from valerix.orders.repository.outbox import list_outgoing
from valerix.orders.repository.placing import PlacingRepository
from valerix.orders.repository.read_model import ReadModelRepository
from valerix.orders.repository.refunds import NotedRefundsRepository
from valerix.orders.repository.search import OrderSearchRepository
from valerix.orders.saga import Saga, Services

PLANNED = {**KEYED, "enable_sort": "off"}
"""Planner settings that read due orders in the order of their index.

They are needed for a table too young for statistics: a sort reads all of its due orders.
"""
TABLES = [
    "orders",
    "order_events",
    "order_products",
    "bounded_orders",
    "noted_refunds",
    "acts",
    "outbox",
    "inbox",
    "dead_letters",
]


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Settings of both halves.

    Each batch of sagas needs a database connection only while it writes.
    """

    users_url: tuple[str, ...]
    inventory_url: tuple[str, ...]
    payments_url: tuple[str, ...]
    search_connections: int = 2
    """Connections for lists and searches, which are planned for each request and may be slow."""
    saga_batches: int = 4
    saga_batch: int = 64
    hold_minutes: float = 30.0
    backorder_days: float = 30.0
    backorder_look_minutes: float = 60.0
    """How often a backorder requests stock without an event that the stock is there."""
    customer_waiting_orders: int = 50
    customer_unpaid_units: int = 500
    customer_declines: int = 20
    """See orders.bounds."""
    customer_ttl_seconds: float = 5.0
    """How long a successful customer check is cached."""
    dwell_seconds: float = 8.0
    """How long the simulated warehouse takes for each step: confirmed, processing, shipped.

    A reader can follow the steps at this speed.
    """
    sweep_pause_seconds: float = 0.5
    sweep_batch: int = 100


class OrderFlows(NamedTuple):
    """The use cases of orders, one for each flow."""

    placing: Placing
    fulfilment: Fulfilment
    changes: Changes
    queries: Queries
    products: Products
    refunds: RefundNotes


class Built(NamedTuple):
    """The opened resources, and the flows on top of them."""

    database: Database
    flows: OrderFlows
    clients: list[HttpClient]
    relay: Relay
    read_model: ReadModel


async def build(settings: Settings, resources: AsyncExitStack) -> Built:
    """Open the database and the clients, and build the use cases on them."""
    database = await open_database(
        settings, resources, ORDERS, settings.database_connections, PLANNED
    )
    reader = await open_database(settings, resources, ORDERS, settings.search_connections)
    clients = [
        await open_peer("users", settings.users_url, settings, resources),
        await open_peer("inventory", settings.inventory_url, settings, resources),
        await open_peer("payments", settings.payments_url, settings, resources),
    ]
    relay = await open_relay(settings, resources, ORDERS, list_outgoing)
    stock_wait = StockWait(
        timedelta(minutes=settings.hold_minutes),
        timedelta(days=settings.backorder_days),
        timedelta(minutes=settings.backorder_look_minutes),
    )
    dwell = timedelta(seconds=settings.dwell_seconds)
    retry = Retry(settings.saga_retry_seconds, settings.saga_retry_max_seconds)
    read = ReadModelRepository()

    async def directory(customer_ids: list[str]) -> dict[str, str]:
        return await database.repeat(lambda tx: read.list_standings(tx, customer_ids))

    saga = Saga(
        Services(*clients), directory, stock_wait, dwell, retry, settings.customer_ttl_seconds
    )
    flows = connect(
        database,
        reader,
        saga,
        relay.wake,
        max_concurrent_batches=settings.saga_batches,
        max_batch=settings.saga_batch,
        bounds=Bounds(
            settings.customer_waiting_orders,
            settings.customer_unpaid_units,
            settings.customer_declines,
        ),
        timeouts=settings,
    )
    resources.push_async_callback(flows.fulfilment.close)
    return Built(database, flows, clients, relay, ReadModel(read))


def connect(
    database: Database,
    reader: Database,
    saga: Saga,
    committed: Callable[[], None],
    *,
    max_concurrent_batches: int,
    max_batch: int = 64,
    bounds: Bounds = DEFAULT,
    timeouts: Timeouts = timeouts.DEFAULT,
) -> OrderFlows:
    """Connect the flows over one saga.

    `committed` is called after each commit that emitted an event.
    """
    placed, driven = PlacingRepository(), DrivingRepository()
    driving = Driving(
        database, driven, placed, BoundsRepository(), saga, committed, timeouts=timeouts
    )
    products = Products(saga.services)
    queries = Queries(database, reader, OrderSearchRepository(), saga.services)
    placing = Placing(
        database,
        placed,
        saga,
        driving,
        max_concurrent_batches=max_concurrent_batches,
        max_batch=max_batch,
        bounds=bounds,
        timeouts=timeouts,
    )
    changes = Changes(database, ChangesRepository(), driven, driving, queries, products)
    refunds = RefundNotes(database, NotedRefundsRepository(), committed)
    return OrderFlows(
        placing, Fulfilment(driving, queries, timeouts), changes, queries, products, refunds
    )
