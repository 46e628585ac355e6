"""Runs real processes of the simulated payment provider. A pytest plugin."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.identities import Identities
from tests.support.processes import Process, prepare

SECRET = "only-for-this-test-run"


def provider_in(folder: Path, identities: Identities) -> Process:
    """Returns a provider that is not started yet; its ledger is in `folder`."""
    return prepare("psp", identities, psp_secret=SECRET, ledger_file=folder / "ledger.jsonl")


@pytest.fixture(scope="module")
def psp(tmp_path_factory: pytest.TempPathFactory, identities: Identities) -> Iterator[Process]:
    """Runs a provider that the tests of a module share."""
    process = provider_in(tmp_path_factory.mktemp("psp"), identities).start()
    yield process
    process.kill()  # killed, because deliberately slow requests need no waiting


@pytest.fixture
def mortal_psp(tmp_path: Path, identities: Identities) -> Iterator[Process]:
    """Provides a separate provider for one test, not started yet, which the test may kill and
    start.
    """
    process = provider_in(tmp_path, identities)
    yield process
    process.kill()
