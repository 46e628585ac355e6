"""Makes the client's scripted server, and commands against it, available to tests of commands."""

import pytest

from tests.cli.samples import Run
from tests.client.conftest import server as server
from tests.client.server import Server
from tests.support.commands import run


@pytest.fixture
def at(server: Server) -> Run:
    """Run a command against the scripted server."""
    return lambda *words, **more: run(*words, VALERIX_URL=server.url, VALERIX_TOKEN="mine", **more)
