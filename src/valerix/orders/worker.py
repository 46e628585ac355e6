"""Composition root of the worker: the background half of orders, on the same database, with health and metrics only."""

from contextlib import AsyncExitStack
from functools import partial

from valerix.chassis.http.health import tables_present
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.orders import composition, consumers, jobs
from valerix.orders.schemas import PROBLEMS


class Settings(composition.Settings, frozen=True, kw_only=True):
    """Nobody waits for the worker, and what failed is due again soon: repeating at once would only hold up others."""

    niceness: int = 5
    call_retries: int = 0


def create(settings: Settings) -> Service:
    """The ASGI app."""
    return create_service("worker", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Settings → resources → use cases → jobs."""
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
