"""An order's real path through the code is the one that ARCHITECTURE.md describes."""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.matrix.in_process import InProcess
from tests.matrix.world import token
from tests.support.eventually import eventually
from tests.support.groups import UNLIMITED
from tests.support.postgres import PostgresServer
from valerix.launcher.summary import CUSTOMER

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = f"{ROOT}/src/valerix/"
STEP: Final = re.compile(r"^\d+\. `([\w/]+\.py):([\w.]+)`", re.M)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The services declare parameters in the form of Litestar 2; served processes do not show these
    # warnings.
    pytest.mark.filterwarnings("ignore:Deprecated '(header|query)' parameter:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[InProcess]:
    folder = tmp_path_factory.mktemp("platform")
    quick = {"dwell_seconds": "0.1", "sweep_pause_seconds": "0.1"}
    async with InProcess.running(postgres, folder, **quick, **UNLIMITED) as running:
        yield running


def described() -> list[list[tuple[str, str]]]:
    """Returns (file, function) in the order of the document's lists: the first list, and the
    parallel ones after it.
    """
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.partition("## One order through the code\n")[2].partition("\n## ")[0]
    return [steps for part in section.split("\n\n") if (steps := STEP.findall(part))]


@contextmanager
def recording() -> Iterator[list[tuple[str, str]]]:
    """Records (file, function) of all calls to this project's code in this thread until the block
    ends.
    """
    calls: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(SOURCE):
            calls.append((code.co_filename.removeprefix(SOURCE), code.co_qualname))

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


async def test_an_order_goes_the_way_that_is_described(platform: InProcess) -> None:
    async with platform.open(platform.url, await token(platform, CUSTOMER)) as ada:
        with recording() as calls:
            wanted = {"customerId": "CUST-001", "productId": "PROD-001", "quantity": 1}
            answer = await ada.post("/api/v1/orders", wanted)
            assert answer.status == 201

            async def delivered() -> bool:
                order = (await ada.get(f"/api/v1/orders/{answer.json['id']}")).json
                sent = await platform.rows(
                    "notifications", "SELECT FROM notifications WHERE status = 'sent'"
                )
                return order["status"] == "completed" and len(sent) >= 4

            await eventually(delivered)
    first, *others = described()
    assert len(first) >= 20
    assert len(others) == 3
    committed = followed(first, calls, 0)
    for steps in others:
        followed(steps, calls, committed)


def followed(steps: list[tuple[str, str]], calls: list[tuple[str, str]], place: int) -> int:
    """Returns the place of the last step's call; each step must be called after the one before it,
    from `place` on.
    """
    for file, function in steps:
        inner = f"{function}.<locals>."
        later = range(place, len(calls))
        met = next(
            (
                i
                for i in later
                if calls[i][0] == file and f"{calls[i][1]}.<locals>.".startswith(inner)
            ),
            None,
        )
        assert met is not None, f"{file}:{function} is not called after the step before it"
        place = met
    return place
