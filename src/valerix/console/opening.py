"""Opens the sources of the live feed: processes, gateways and faults."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from valerix.chassis.calls.connections import Connections
from valerix.chassis.calls.faults import RemoteFaults
from valerix.chassis.calls.recording import no_recorder
from valerix.chassis.chaos.store import Menu, ValkeyStore
from valerix.chassis.chaos.use_cases import Chaos, Elsewhere
from valerix.console.faults import FaultWatch
from valerix.console.gather import Gathering, Target, service_targets
from valerix.console.settings import Settings


async def open_provider_faults(settings: Settings, resources: AsyncExitStack) -> list[RemoteFaults]:
    """The faults of the payment provider, which shares no store with the services."""
    if settings.chaos != "enabled" or not settings.psp_url:
        return []
    return [
        await resources.enter_async_context(RemoteFaults.open("psp", settings.psp_url, settings))
    ]


async def open_gathering(
    settings: Settings, faults: Sequence[Elsewhere], resources: AsyncExitStack
) -> Gathering:
    """The gathering; its rounds begin when its job runs."""
    gateways = [
        Target("gateway", "gateway", Connections(url), "/health")
        for url in settings.gateway_metrics_url
    ]
    targets = [*gateways, *service_targets(settings.watched)]
    for target in targets:
        resources.callback(target.connections.close)
    return Gathering(targets, FaultWatch(await _open_chaos(settings, faults, resources)))


async def _open_chaos(
    settings: Settings, faults: Sequence[Elsewhere], resources: AsyncExitStack
) -> Chaos | None:
    """Read access to the faults of every service; None where faults cannot be injected."""
    if settings.chaos != "enabled" or not settings.valkey_url:
        return None
    name = f"{settings.instance or 'console'}-feed"
    store = await resources.enter_async_context(ValkeyStore.open(settings.valkey_url, name, name))
    return Chaos(store, name, Menu([], [], []), no_recorder, faults)
