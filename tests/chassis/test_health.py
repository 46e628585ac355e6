"""Health reports: failures that take a service out of service, and failures that are only shown."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.matrix.in_process import listening
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.workers import free_port
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.http.service import Service, ServiceParts

pytestmark = [
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]


async def missing() -> None:
    raise LookupError("it is not there")


@asynccontextmanager
async def serving(identities: Identities, parts: ServiceParts) -> AsyncIterator[Api]:
    async def compose(_: ServiceSettings, __: AsyncExitStack) -> ServiceParts:
        return parts

    settings = ServiceSettings(port=free_port(), keys_file=identities.keys_file)
    async with (
        listening(Service("test", settings, compose), settings),
        Api.open(f"http://127.0.0.1:{settings.port}") as api,
    ):
        yield api


async def test_a_job_that_keeps_failing_is_reported_and_takes_nothing_out_of_service(
    identities: Identities,
) -> None:
    async with serving(identities, ServiceParts(jobs=[missing])) as api:

        async def reported() -> bool:
            ready = await api.get("/ready")
            assert ready.status == 200
            return "missing failed" in ready.json["checks"]["jobs"].get("message", "")

        await eventually(reported)


async def test_only_what_is_essential_takes_it_out_of_service(identities: Identities) -> None:
    async with serving(identities, ServiceParts(essentials={"own": missing})) as api:
        ready = await api.get("/ready")
    assert (ready.status, ready.json["checks"]["own"]["message"]) == (503, "it is not there")
    async with serving(identities, ServiceParts(reported={"other": missing})) as api:
        ready = await api.get("/ready")
    assert (ready.status, ready.json["checks"]["other"]["status"]) == (200, "failed")
