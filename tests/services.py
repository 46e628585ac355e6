"""Real service processes for tests, the tokens to call them with, and a small client."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from pyreqwest.client import Client, ClientBuilder

from tests.leaks import assert_no_leaks
from tests.support.workers import free_port
from valerix.chassis.auth import PEOPLE_ISSUER, PUBLIC_AUDIENCE, TokenIssuer, generate_key

ISSUERS = ("users", "orders", "inventory", "payments", "notifications", "console")
READY_SECONDS = 90.0
T = TypeVar("T")


class Identities:
    """A key for every issuer, on disk as services expect them, and tokens signed with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys_file = folder / "keys.json"
        public = [self._make(name) for name in ISSUERS]
        self.keys_file.write_text(json.dumps({"keys": public}))

    def _make(self, name: str) -> dict[str, Any]:
        private, public = generate_key(f"valerix:{name}")
        self.signing_key_file(name).write_text(json.dumps(private))
        return public

    def signing_key_file(self, name: str) -> Path:
        return self.folder / f"{name}.jwk"

    def person(self, role: str, owner_id: str | None = None, subject: str = "somebody", **claims: str) -> str:
        """An access token of a customer, operator or admin; `claims`: session_id, csrf."""
        issuer = TokenIssuer(self.signing_key_file(PEOPLE_ISSUER.removeprefix("valerix:")))
        return issuer.issue(
            subject=subject, role=role, audience=PUBLIC_AUDIENCE, ttl_seconds=600, owner_id=owner_id, **claims
        )

    def service(self, name: str, target: str) -> str:
        """The token service `name` calls `target` with."""
        return TokenIssuer(self.signing_key_file(name)).for_service(target)


class NotStarted(Exception):
    """The process ended while starting, or was not ready in time; the message ends with its log."""


class Process:
    """One running service. `log` is what it wrote."""

    def __init__(self, name: str, port: int, settings: dict[str, str], log: Path) -> None:
        self.name, self.port, self.log = name, port, log
        self.url = f"http://127.0.0.1:{port}"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Returns once it is ready."""
        source = str(Path(__file__).parents[1] / "src")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "valerix.cli.serve", self.name],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": source, **self._settings},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise NotStarted(f"{self.name} did not become ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)
        return self

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=2):  # noqa: S310 - our own address
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def send(self, sent: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(sent)

    def kill(self) -> None:
        """SIGKILL: no last words. Fine to call when it was not started or has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def end(self) -> None:
        """SIGINT: stop without the drain's pause. Fine to call when it has ended."""
        if self._process is not None and self._process.poll() is None:
            self.send(signal.SIGCONT)
            self.send(signal.SIGINT)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()


def prepare(name: str, identities: Identities, **settings: object) -> Process:
    """A service that is not started yet; `settings` by field name."""
    port = free_port()
    given: dict[str, object] = {
        "port": port,
        "keys_file": identities.keys_file,
        "drain_seconds": 0,
        "user_limit": 0,
        "address_limit": 0,
        "bus_url": "redis://127.0.0.1:1",  # nobody there: events wait in the outbox
        **({"signing_key_file": identities.signing_key_file(name)} if name in ISSUERS else {}),
        **settings,
    }
    environ = {f"VALERIX_{field.upper()}": str(value) for field, value in given.items()}
    return Process(name, port, environ, identities.folder / f"{name}-{port}.log")


@contextmanager
def running(name: str, identities: Identities, **settings: object) -> Iterator[Process]:
    """A service that runs until the block ends."""
    process = prepare(name, identities, **settings)
    try:
        yield process.start()
    finally:
        process.end()
    assert_no_leaks([process.log])


async def eventually(probe: Callable[[], Awaitable[T]], seconds: float = 60.0) -> T:
    """The first truthy answer of `probe`, asked again and again. Seconds only bound a failing test."""
    async with asyncio.timeout(seconds):
        while True:
            if answer := await probe():
                return answer
            await asyncio.sleep(0.02)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    set_cookies: Sequence[str] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Send = Callable[[str, str, Sequence[tuple[str, str]], bytes | None], Awaitable[Answer]]
"""Sends one request: method, URL, headers, body."""


def over_http(client: Client) -> Send:
    """Returns the function that sends requests over the network."""

    async def send(method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes | None) -> Answer:
        request = client.request(method, url)
        for name, value in headers:
            request = request.header(name, value)
        if body is not None:
            request = request.body_bytes(body)
        response = await request.build().send()
        return answer_of(response.status, list(response.headers.items()), (await response.bytes()).to_bytes())

    return send


def answer_of(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
    set_cookies = [value for name, value in headers if name == "set-cookie"]
    return Answer(status, dict(headers), body, set_cookies)


class Api:
    """Calls to one service, as one caller unless `token` says otherwise."""

    def __init__(self, send: Send, url: str, token: str | None) -> None:
        self._send, self._url, self._token = send, url, token

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, token: str | None = None) -> AsyncIterator[Self]:
        async with ClientBuilder().no_proxy().follow_redirects(False).timeout(timedelta(seconds=60)).build() as client:
            yield cls(over_http(client), url, token)

    async def call(
        self, method: str, path: str, body: object = None, *, token: str | None = None, **headers: str
    ) -> Answer:
        """`body`: bytes as they are, anything else as JSON. Header names with `_` for `-`."""
        token = token or self._token
        sent = [("authorization", f"Bearer {token}")] if token else []
        if body is not None:
            sent.append(("content-type", "application/json"))
        sent += [(name.replace("_", "-"), value) for name, value in headers.items()]
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return await self._send(method, self._url + path, sent, content)

    async def get(self, path: str, *, token: str | None = None) -> Answer:
        return await self.call("GET", path, token=token)

    async def post(self, path: str, body: object, *, token: str | None = None, **headers: str) -> Answer:
        return await self.call("POST", path, body, token=token, **headers)
