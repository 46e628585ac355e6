"""Runs every test of this folder against every gateway; against gateways other than the default
only with --full.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.exceptions import EXCEPTIONS
from tests.gateway.front import Front, started
from valerix.launcher.gateways import GATEWAYS
from valerix.launcher.settings import DEFAULT_GATEWAY, GatewayName

HERE = Path(__file__).parent


def _tier(name: GatewayName) -> list[pytest.MarkDecorator]:
    return [] if name is DEFAULT_GATEWAY else [pytest.mark.full]


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=_tier(name), id=name) for name in GATEWAYS]
)
def gateway(request: pytest.FixtureRequest) -> GatewayName:
    name: GatewayName = request.param
    return name


@pytest.fixture(scope="module")
def front(gateway: GatewayName, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Provides a gateway with limits that no test reaches."""
    with started(
        gateway, tmp_path_factory.mktemp("gateway with space"), gateway_rate=100_000
    ) as front:
        yield front


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (
            item.path.is_relative_to(HERE)
            and isinstance(item, pytest.Function)
            and hasattr(item, "callspec")
        ):
            for key in names_of(item):
                if reason := EXCEPTIONS.get(key):
                    item.add_marker(
                        pytest.mark.xfail(
                            reason=reason, strict=True, raises=(AssertionError, OSError)
                        )
                    )


def names_of(item: pytest.Function) -> Iterator[tuple[GatewayName, str]]:
    """Yields the names of a test for EXCEPTIONS: its name, and its name with its parameters except
    the gateway.
    """
    name = item.callspec.params.get("gateway")
    if isinstance(name, GatewayName):
        others = [one for one in item.callspec.id.split("-") if one != name]
        yield name, item.originalname
        yield name, f"{item.originalname}[{'-'.join(others)}]"
