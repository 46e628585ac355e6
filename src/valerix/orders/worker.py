"""Composition root of the worker, the background half of orders.

It works on the same database; its only routes are health and metrics.
"""

from contextlib import AsyncExitStack
from functools import partial

from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.orders import composition, consumers, jobs
from valerix.orders.schemas import PROBLEMS


class Settings(composition.Settings, frozen=True, kw_only=True):
    """Settings of the worker.

    No caller waits for the worker, and a failed order is due again soon: an immediate repetition
    would only hold up other orders.
    """

    niceness: int = 5
    call_retries: int = 0


def create(settings: Settings) -> Service:
    """Create the ASGI application."""
    return create_service("worker", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Connect settings → resources → use cases → jobs."""
    built = await composition.build(settings, resources)
    inbox = consumers.inbox(built.database, built.relay.bus, built.read_model)
    return ServiceParts(
        essentials={"database": tables_present(built.database, composition.TABLES)},
        reported={"bus": built.relay.bus.check},
        downstream=built.clients,
        jobs=[
            partial(
                jobs.sweep,
                built.flows.fulfilment,
                settings.sweep_batch,
                settings.sweep_pause_seconds,
                settings.deadline_seconds,
            ),
            partial(jobs.count, built.flows.queries),
            partial(jobs.forget_declines, built.flows.fulfilment),
            built.relay.run,
            inbox.run,
            inbox.prune,
        ],
        problems=PROBLEMS,
    )
