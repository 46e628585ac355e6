"""`/api/v1/chaos` of every service: for administrators, where the settings allow it.

`/api/v1/chaos/all` covers every service that shares this Valkey and, where configured, services
without one. The gateway serves the console's as `/api/v1/chaos`.
"""

from typing import Any, Final

from litestar import delete, get, put

from valerix.chassis.base.pagination import Page
from valerix.chassis.base.problems import NotFound
from valerix.chassis.chaos.faults import Fault
from valerix.chassis.chaos.use_cases import Chaos, ServiceChaos
from valerix.contracts.acts import Actor
from valerix.contracts.faults import READ_FAULTS
from valerix.contracts.roles import ADMINS, ServiceName, calls_from

PATH: Final = "/api/v1/chaos"


class ChaosDisabled(NotFound):
    code, title = "chaos_disabled", "Faults cannot be injected here"

    def __init__(self) -> None:
        super().__init__(
            "Fault injection is disabled here;"
            " start with VALERIX_CHAOS=enabled where things may break"
        )


REFUSALS: Final = (ChaosDisabled,)


def chaos_routes(chaos: Chaos | None, *, alone: bool) -> list[Any]:
    """The routes. They answer 404 when `chaos` is None. `alone`: the service shares no Valkey."""

    def allowed() -> Chaos:
        if chaos is None:
            raise ChaosDisabled
        return chaos

    @get(PATH, access=ADMINS, tags=["chaos"], operation_id="getChaos", refuses=REFUSALS)
    async def get_chaos() -> ServiceChaos:
        """Show the faults of this service. The answer lists the active faults, the earlier ones,
        and the available ones.
        """
        return await allowed().state()

    @put(
        PATH,
        access=ADMINS,
        tags=["chaos"],
        operation_id="injectFault",
        example={"kind": "gremlin", "every": 5, "delayMs": 3000},
        refuses=REFUSALS,
    )
    async def inject_fault(data: Fault, actor: Actor) -> ServiceChaos:
        """Inject a fault into every replica of this service. It ends by itself after
        `durationSeconds`. It replaces an active fault of the same kind; failpoints, behaviours and
        cuts of different names stand side by side.

        503 when the injection cannot be put on record: then the fault is not injected.
        """
        return await allowed().inject(data, actor)

    @delete(
        PATH,
        access=ADMINS,
        tags=["chaos"],
        operation_id="stopChaos",
        refuses=REFUSALS,
        status_code=200,
    )
    async def stop_chaos(actor: Actor) -> ServiceChaos:
        """End every fault of this service."""
        return await allowed().stop(actor)

    @get(PATH + "/all", access=ADMINS, tags=["chaos"], operation_id="getAllChaos", refuses=REFUSALS)
    async def get_all_chaos() -> Page[ServiceChaos]:
        """Show the faults of every service."""
        return Page(await allowed().overview())

    @delete(
        PATH + "/all",
        access=ADMINS,
        tags=["chaos"],
        operation_id="stopAllChaos",
        refuses=REFUSALS,
        status_code=200,
    )
    async def stop_all_chaos(actor: Actor) -> Page[ServiceChaos]:
        """End every fault of every service."""
        return Page(await allowed().stop_all(actor))

    @get(READ_FAULTS, access=calls_from(ServiceName.CONSOLE), include_in_schema=False)
    async def get_kept_chaos() -> ServiceChaos:
        """Serves the console the faults of a service that shares no Valkey."""
        return await allowed().state()

    return [
        get_chaos,
        inject_fault,
        stop_chaos,
        get_all_chaos,
        stop_all_chaos,
        *([get_kept_chaos] if alone else []),
    ]
