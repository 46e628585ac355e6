"""The load of wrk as a service receives it: new and returning customers."""

import asyncio
import json
import shutil
from collections import Counter

import pytest

from valerix.bench import load
from valerix.bench.load import ORDERS_EACH, Load

pytestmark = pytest.mark.skipif(
    shutil.which("wrk") is None, reason="wrk is missing: apt install wrk"
)


class RecordingServer:
    """Confirms every order and keeps its idempotency key and customer."""

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = json.loads(await reader.readexactly(int(fields["Content-Length"])))
                self.orders[fields["Idempotency-Key"]] = body["customerId"]
                assert fields["Authorization"] == f"Bearer token of {body['customerId']}"
                writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def receive(self, connections: int) -> load.LoadOutcome:
        """Receive a second of load, slow enough for the number of customers."""
        async with await asyncio.start_server(self.serve, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            names = [f"CUST-{number}" for number in range(load.customers_for(5_000, connections))]
            tokens = {name: f"token of {name}" for name in names}
            return await load.send(
                Load(port, "run", connections, 1, 1, tokens=tokens, per_second=500)
            )


async def test_four_of_five_orders_come_from_returning_customers() -> None:
    server = RecordingServer()
    outcome = await server.receive(connections=1)
    first_orders: dict[str, int] = {}
    for key, customer in server.orders.items():  # one connection keeps the order of sending
        first_orders.setdefault(customer, int(key.rpartition("-")[2]) - 1)
    # A step is as many orders as one customer places. In the first two, the customers of all rows
    # are new.
    new_by_step = Counter(number // ORDERS_EACH for number in first_orders.values())
    whole_steps = range(2, len(server.orders) // ORDERS_EACH)
    assert [new_by_step[step] for step in whole_steps] == [1] * len(whole_steps)
    assert len(whole_steps) > ORDERS_EACH
    assert outcome.new >= len(first_orders)


async def test_a_customer_orders_five_times_at_most_and_by_one_thread_alone() -> None:
    server = RecordingServer()
    outcome = await server.receive(connections=64)
    assert max(Counter(server.orders.values()).values()) <= ORDERS_EACH
    threads = {(customer, key.split("-")[1]) for key, customer in server.orders.items()}
    assert len(threads) == len(set(server.orders.values()))
    assert outcome.placed <= len(server.orders) <= outcome.sent
    assert 0 < outcome.returning <= 1 - 1 / ORDERS_EACH
