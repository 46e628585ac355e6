"""A running gateway with services behind it."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tests.gateway.services import EchoService, all_services
from tests.support.eventually import until_blocking
from tests.support.workers import free_port
from valerix.chassis.base.settings import inherited
from valerix.launcher.certificates import Certificate
from valerix.launcher.gateways import GATEWAYS
from valerix.launcher.gateways.contract import Gateway, GatewayTimeouts, Listening
from valerix.launcher.processes import dies_with_launcher
from valerix.launcher.settings import GatewayName, GatewaySettings, gateway_settings
from valerix.launcher.topology import GATEWAY, GATEWAY_METRICS, Instance

Answer = tuple[int, Message, bytes]
QUICK = GatewayTimeouts(head=1, body=1, answer=1, reload=1)
"""Short time-outs, for tests that wait until one of them expires."""


class Service(Protocol):
    name: str

    @property
    def instance(self) -> Instance: ...

    @property
    def arrived(self) -> list[str]: ...

    def stop(self) -> None: ...


class Front:
    """A gateway, its process, and the services behind it by name."""

    def __init__(
        self, name: GatewayName, listening: Listening, services: Sequence[Service]
    ) -> None:
        self.name = name
        self.listening = listening
        self.services = {service.name: service for service in services}
        self.gateway: Gateway = GATEWAYS[name](listening)
        certificate = listening.certificate
        self._scheme = "https" if certificate else "http"
        self.trust = ssl.create_default_context(cafile=certificate.ca_file) if certificate else None

    def echo(self, name: str) -> EchoService:
        service = self.services[name]
        assert isinstance(service, EchoService)
        return service

    @property
    def port(self) -> int:
        return self.listening.port

    @property
    def instances(self) -> list[Instance]:
        return [service.instance for service in self.services.values()]

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.gateway.command(self.instances),
            env={**inherited(), **self.gateway.environment},
            **self.gateway.spawn_options,
            preexec_fn=dies_with_launcher(signal.SIGTERM),  # noqa: PLW1509 - takes no lock
        )

    def stop(self) -> None:
        """Ends the gateway; sends the signal repeatedly, because HAProxy may lose one while it
        starts.
        """
        until_blocking(self._ended, "the gateway ends")

    def _ended(self) -> bool:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        return self.process.poll() is not None

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def get(
        self, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """Sends a GET, or a POST if there is a `body`."""
        url = f"{self._scheme}://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, headers=headers or {}, data=body)  # noqa: S310 - ours
        try:
            with urllib.request.urlopen(  # noqa: S310 - our own address
                request, timeout=30, context=self.trust
            ) as response:
                return _read(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def reached(
        self, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        """Sends a request and returns it as the service received it."""
        status, _, answer = self.get(path, headers, body)
        assert status == 200, answer
        seen: dict[str, Any] = json.loads(answer)
        return seen

    def answers(self) -> bool:
        assert self.process.poll() is None, "the gateway ended"
        try:
            return self.get("/api/v1/orders")[0] == 200
        except OSError:
            return False

    def arrived(self) -> list[str]:
        """Returns the paths of all requests that reached a service."""
        return [path for service in self.services.values() for path in service.arrived]

    def arrived_since(self, before: Sequence[str]) -> list[str]:
        return list((Counter(self.arrived()) - Counter(before)).elements())

    def own(self, path: str) -> bytes:
        """Reads a path at the loopback port for metrics and dashboard."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.listening.metrics_port}{path}", timeout=10
        ) as response:
            body: bytes = response.read()
            return body


def _read(response: HTTPResponse) -> Answer:
    return response.status, response.headers, response.read()


@contextmanager
def prepared(
    name: GatewayName,
    folder: Path,
    certificate: Certificate | None = None,
    timeouts: GatewayTimeouts | None = None,
    services: Sequence[Service] | None = None,
    **settings: Any,
) -> Iterator[Front]:
    """Prepares a gateway that is not started yet. `settings`: of the gateway."""
    binary = gateway_settings().gateway_binary if gateway_settings().gateway is name else None
    wanted = msgspec.structs.replace(
        GatewaySettings(gateway=name, gateway_binary=binary), **settings
    )
    ports = {GATEWAY: free_port(), GATEWAY_METRICS: free_port()}
    listening = Listening(
        folder, folder / "access.log", ports, wanted, certificate, timeouts or GatewayTimeouts()
    )
    behind: Sequence[Service] = all_services() if services is None else services
    try:
        yield Front(name, listening, behind)
    finally:
        for service in behind:
            service.stop()


@contextmanager
def started(*arguments: Any, **options: Any) -> Iterator[Front]:
    """Starts a gateway as `prepared` returns it, and waits until it answers."""
    with prepared(*arguments, **options) as front:
        front.start()
        try:
            until_blocking(front.answers, "the gateway answers")
            yield front
        finally:
            front.stop()
