"""Selects the adapter for a URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from valerix.chassis.messaging.bus.base import Bus
from valerix.chassis.messaging.bus.rabbitmq import RabbitMq
from valerix.chassis.messaging.bus.valkey_streams import ValkeyStreams

ADAPTERS: dict[str, type[ValkeyStreams] | type[RabbitMq]] = {
    "redis": ValkeyStreams,
    "rediss": ValkeyStreams,
    "amqp": RabbitMq,
    "amqps": RabbitMq,
}
ALIASES = {"valkey": "redis", "valkeys": "rediss"}


@asynccontextmanager
async def open_bus(url: str, instance: str) -> AsyncIterator[Bus]:
    """The bus at `url`, closed on leaving. It connects on first use.

    `instance` names this process to the broker. Raises ValueError for a scheme without an adapter.
    """
    scheme, _, rest = url.partition("://")
    scheme = ALIASES.get(scheme, scheme)
    if scheme not in ADAPTERS:
        raise ValueError(
            f"A bus URL begins with one of {', '.join([*ADAPTERS, *ALIASES])}, not {scheme!r}"
        )
    bus = ADAPTERS[scheme](f"{scheme}://{rest}", instance)
    try:
        yield bus
    finally:
        await bus.close()
