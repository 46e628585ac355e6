"""Stand-ins for PostgreSQL, RabbitMQ and the services that a process calls; they record statements,
declarations and requests.

They replace a library (`asyncpg.connect`, `aio_pika.connect`) or the network, so this module names
no class of the product.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

Rows = list["Row"]
Answers = Callable[[str, Sequence[Any]], Rows]


class Row:
    """One row: values by index and by column, like asyncpg's."""

    def __init__(self, **columns: Any) -> None:
        self._columns = columns

    def __getitem__(self, key: Any) -> Any:
        return self._columns[key] if isinstance(key, str) else list(self._columns.values())[key]

    def __iter__(self) -> Any:
        return iter(self._columns.values())

    def keys(self) -> Any:
        return self._columns.keys()


class Statement(NamedTuple):
    url: str
    sql: str
    arguments: Sequence[Any]


class Database:
    """The database behind every connection of a process. `answers` returns the rows of a
    statement.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.statements: list[Statement] = []

    async def connect(self, url: str, **_: Any) -> "PinnedConnection":
        return PinnedConnection(self, url)


class PinnedConnection:
    """A connection that records its statements."""

    def __init__(self, database: Database, url: str) -> None:
        self._database, self._url = database, url

    async def fetch(self, sql: str, *arguments: Any) -> Rows:
        self._database.statements.append(Statement(self._url, sql, arguments))
        return self._database.answers(sql, arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Row | None:
        return next(iter(await self.fetch(sql, *arguments)), None)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        row = await self.fetchrow(sql, *arguments)
        return None if row is None else row[0]

    async def execute(self, sql: str, *arguments: Any, timeout: float | None = None) -> str:
        await self.fetch(sql, *arguments)
        return ""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    async def set_type_codec(self, *_: Any, **__: Any) -> None: ...

    async def close(self, **_: Any) -> None: ...

    def terminate(self) -> None: ...

    def is_closed(self) -> bool:
        return False


class Rabbit:
    """A broker, its connection and its channel in one: records each declaration, binding and
    published message as a line.
    """

    def __init__(self) -> None:
        self.lines: set[str] = set()
        self.connected = asyncio.Event()
        self.connected.set()
        self.close_callbacks: set[Any] = set()
        self.on_consumer_cancel_callbacks: set[Any] = set()
        self.is_closed = False
        self.consumed = asyncio.Event()
        self._name = ""

    async def connect(self, *_: Any, **__: Any) -> "Rabbit":
        return self

    async def channel(self, **_: Any) -> "Rabbit":
        return self

    async def get_underlay_channel(self) -> "Rabbit":
        return self

    async def close(self) -> None: ...

    async def set_qos(self, **_: Any) -> None: ...

    async def declare_exchange(self, name: str, kind: Any, *, durable: bool) -> None:
        self.lines.add(f"exchange {name} {kind} durable={durable}")

    async def declare_queue(
        self, name: str, *, durable: bool, arguments: dict[str, Any]
    ) -> "Queue":
        options = " ".join(f"{key}={value}" for key, value in sorted(arguments.items()))
        self.lines.add(f"queue {name} durable={durable} {options}")
        return Queue(self, name)

    async def get_exchange(self, name: str, **_: Any) -> "Rabbit":
        self._name = name
        return self

    async def publish(self, message: Any, routing_key: str, *, mandatory: bool) -> None:
        mode = int(message.delivery_mode)
        properties = f"id={message.message_id} content-type={message.content_type} mode={mode}"
        self.lines.add(
            f"publishes to {self._name} as {routing_key} mandatory={mandatory} {properties}"
        )


class Queue:
    def __init__(self, broker: Rabbit, name: str) -> None:
        self._broker, self._name = broker, name

    async def bind(self, exchange: str, routing_key: str = "") -> None:
        self._broker.lines.add(f"binding {exchange} to {self._name} by {routing_key!r}")

    async def consume(self, _: Any) -> None:
        self._broker.lines.add(f"consumes {self._name}")
        self._broker.consumed.set()


class Peers:
    """All services that a process calls, at one port. `answers` returns (status, document) for a
    path and a body.
    """

    def __init__(self, answers: Callable[[str, Any], tuple[int, Any]]) -> None:
        self._answers = answers
        self.calls: list[tuple[str, str, list[str], Any]] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                document = json.loads(body) if body else None
                self.calls.append((method, path, sorted(headers), document))
                status, answer = self._answers(path, document)
                content = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} .\r\ncontent-length: {len(content)}\r\n\r\n".encode()
                    + content
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
