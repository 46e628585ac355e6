"""Real processes of the simulated payment provider. A pytest plugin."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.identities import Identities
from tests.support.processes import Process, prepare

SECRET = "only-for-this-test-run"


def provider_in(folder: Path, identities: Identities) -> Process:
    """Not started yet; its ledger lies in `folder`."""
    return prepare("psp", identities, psp_secret=SECRET, ledger_file=folder / "ledger.jsonl")


@pytest.fixture(scope="module")
def psp(tmp_path_factory: pytest.TempPathFactory, identities: Identities) -> Iterator[Process]:
    """One that the tests of a module share."""
    process = provider_in(tmp_path_factory.mktemp("psp"), identities).start()
    yield process
    process.kill()  # what is slow on purpose need not be waited for


@pytest.fixture
def mortal_psp(tmp_path: Path, identities: Identities) -> Iterator[Process]:
    """One of the test's own, not started yet, to be killed and started as it likes."""
    process = provider_in(tmp_path, identities)
    yield process
    process.kill()
