"""The OpenAPI documents of the services, as each service writes its own.

Each service starts like a served process, with the settings of the launcher. It needs neither its
database nor its bus nor another service to describe itself, so nothing else runs: every address
leads to a port without a listener.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from litestar.types import ASGIApp
from tests.matrix.asgi import Message, request

from valerix import __version__
from valerix.chassis.base import settings
from valerix.console.domain import merge, publish
from valerix.launcher import topology
from valerix.launcher.credentials import Credentials
from valerix.launcher.keys import make_keys
from valerix.launcher.programs import Plan, environment
from valerix.launcher.settings import GatewaySettings

Document = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("orders", "inventory", "payments", "users", "notifications")
"""The services whose documents the gateway serves."""
CLOSED_PORT: Final = 1
URL: Final = f"http://127.0.0.1:{CLOSED_PORT}/openapi.json"


def complete(documents: Mapping[str, Document]) -> Document:
    """The document of all routes of the gateway, including those that inject faults."""
    return merge(documents, [], __version__)


def published(documents: Mapping[str, Document]) -> Document:
    """The document at `/openapi.json`."""
    return publish(documents, [], __version__)


def documents() -> dict[str, Document]:
    """The document of each service, by service name.

    The logs of the services are dropped: they report every missing dependency.
    """
    with TemporaryDirectory() as folder, redirect_stdout(TextIOWrapper(BytesIO())):
        return asyncio.run(_documents(Path(folder)))


async def _documents(folder: Path) -> dict[str, Document]:
    credentials = Credentials(folder)
    make_keys(credentials)
    ports = dict.fromkeys(topology.DEFAULT_PORTS, CLOSED_PORT)
    plan = Plan(data_dir=folder, ports=ports, gateway=GatewaySettings())
    instances = {instance.process: instance for instance in plan.instances}
    return {
        name: await _document(name, environment(instances[name], plan, credentials))
        for name in SERVICES
    }


async def _document(name: str, variables: Mapping[str, str]) -> Document:
    module = importlib.import_module(topology.BY_NAME[name].module)
    app: ASGIApp = module.create(settings.load(module.Settings, variables))
    async with _started(name, app):
        answer = await request(app, "GET", URL, (), None)
    if answer.status != 200:
        raise RuntimeError(f"{name} did not describe itself: {answer.status} {answer.body!r}")
    document: Document = answer.json
    return document


@asynccontextmanager
async def _started(name: str, app: ASGIApp) -> AsyncIterator[None]:
    """Runs the lifespan of the app. Raises RuntimeError when the service does not start."""
    received: asyncio.Queue[Message] = asyncio.Queue()
    sent: asyncio.Queue[Message] = asyncio.Queue()
    run: Any = app  # Litestar's types list the keys of each message
    call = run({"type": "lifespan"}, received.get, sent.put)
    running = asyncio.create_task(call)
    received.put_nowait({"type": "lifespan.startup"})
    started = await sent.get()
    if started["type"] != "lifespan.startup.complete":
        raise RuntimeError(f"{name} did not start: {started}")
    try:
        yield
    finally:
        received.put_nowait({"type": "lifespan.shutdown"})
        await running
