"""Real provider processes: one that the tests of a module share, and one that a test may kill."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api import Api
from tests.support.processes import Process
from tests.support.provider import SECRET as SECRET


@pytest.fixture
async def api(psp: Process) -> AsyncIterator[Api]:
    async with Api.open(psp.url, SECRET) as opened:
        yield opened


@pytest.fixture
def mortal(mortal_psp: Process) -> Process:
    """A provider for one test only, to be killed and started again."""
    return mortal_psp.start()


@pytest.fixture
async def mortal_api(mortal: Process) -> AsyncIterator[Api]:
    async with Api.open(mortal.url, SECRET) as opened:
        yield opened
