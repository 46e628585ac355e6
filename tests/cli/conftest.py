"""Makes the client's scripted server available to tests of commands."""

from tests.client.conftest import server as server
