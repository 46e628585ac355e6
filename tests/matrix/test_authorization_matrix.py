"""Every route of every service, called by every caller: the services' ASGI apps in this process.

The part that needs a stack (the gateway, the network) is in
tests/system/test_authorization_matrix.py.
"""

import pytest

from tests.matrix.callers import OPERATOR, OTHER
from tests.matrix.in_process import InProcess
from tests.matrix.knock import (
    HTTP,
    SOCKETS,
    Key,
    assert_all_that_is_described_is_expected,
    assert_every_route_is_expected,
    assert_handshakes,
    assert_route,
)
from tests.matrix.world import TARGETS, World

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The services declare parameters in the form of Litestar 2; served processes do not show these
    # warnings.
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]


@pytest.mark.parametrize("service", TARGETS)
async def test_authorization_matrix_has_an_expectation_for_every_route(
    platform: InProcess, service: str
) -> None:
    await assert_every_route_is_expected(platform, service)


@pytest.mark.parametrize("service", TARGETS)
async def test_authorization_matrix_has_an_expectation_for_all_that_is_described(
    platform: InProcess, service: str
) -> None:
    await assert_all_that_is_described_is_expected(platform, service)


@pytest.mark.parametrize("key", HTTP, ids=" ".join)
async def test_authorization_matrix(world: World, key: Key) -> None:
    await assert_route(world, key)


@pytest.mark.parametrize("key", SOCKETS, ids=lambda key: key[2])
async def test_authorization_matrix_of_the_live_streams(world: World, key: Key) -> None:
    await assert_handshakes(world, key)


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/notifications"])
async def test_authorization_matrix_of_lists(world: World, path: str) -> None:
    """No list contains another customer's objects, whatever its filters."""
    async with world.api(OPERATOR) as operator, world.api(OTHER) as grace:
        assert (await operator.get(f"{path}?customerId=CUST-001")).json["items"]
        for query in (
            "",
            "?customerId=CUST-001",
            "?customerId=CUST-001&customerId=CUST-002",
            "?limit=200",
        ):
            items = (await grace.get(path + query)).json["items"]
            assert {item["customerId"] for item in items} <= {"CUST-002"}, query
