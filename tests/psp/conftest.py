"""Real provider processes: one that the tests of a module share, and one a test may kill."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.services import Api, Identities, Process, prepare

SECRET = "only-for-this-test-run"


@pytest.fixture(scope="module")
def psp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("psp")
    process = prepare("psp", Identities(folder), psp_secret=SECRET, ledger_file=folder / "ledger.jsonl").start()
    yield process
    process.kill()  # what is slow on purpose need not be waited for


@pytest.fixture
async def api(psp: Process) -> AsyncIterator[Api]:
    async with Api.open(psp.url, SECRET) as opened:
        yield opened


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Process]:
    """A provider of the test's own, to be killed and started again."""
    process = prepare("psp", Identities(tmp_path), psp_secret=SECRET, ledger_file=tmp_path / "ledger.jsonl")
    try:
        yield process.start()
    finally:
        process.end()


@pytest.fixture
async def mortal_api(mortal: Process) -> AsyncIterator[Api]:
    async with Api.open(mortal.url, SECRET) as opened:
        yield opened
