"""Commands are aimed at the client's scripted server."""

from tests.client.conftest import server as server
