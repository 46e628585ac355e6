"""Load by wrk, which costs little itself: new and returning customers, a new key for each order."""

import json
import tempfile
from dataclasses import dataclass, field
from importlib import resources
from math import ceil
from pathlib import Path
from typing import Final

import msgspec

from valerix.bench import programs
from valerix.bench.results import LatencyQuantiles
from valerix.launcher.errors import LauncherError

GRACE_SECONDS: Final = 30.0
TIMEOUT: Final = "15s"
PATH: Final = "/api/v1/orders"
ORDERS_EACH: Final = 5
"""Orders of a customer, so that four of five come from returning customers.

Five orders cause 15 e-mails; the hourly limit of a recipient is 20.
"""


@dataclass(frozen=True)
class Load:
    """A load and its target.

    It orders one unit each of random products, `first` to `first + products - 1`.
    """

    port: int
    run: str
    """Unique part of every idempotency key."""
    connections: int
    seconds: float
    products: int
    first: int = 1
    tokens: dict[str, str] = field(default_factory=dict)
    """Access tokens by customer."""
    path: str = PATH
    extra: str = ""
    """Further members of the body, e.g. `,"onShortage":"reject"`."""
    peer: bool = False
    """Whether to send the body that the comparison programs take."""
    per_second: float | None = None
    """Target rate of all connections together, in orders per second; None: as many as they can."""


class LoadOutcome(msgspec.Struct, frozen=True):
    """The result as measured by wrk. Latencies in milliseconds."""

    seconds: float
    statuses: dict[str, int]
    lost: int
    timeouts: int
    sent: int
    new: int
    """Number of customers that ordered for the first time."""
    p50: float
    p90: float
    p99: float
    max: float

    @property
    def latency(self) -> LatencyQuantiles:
        return LatencyQuantiles(self.p50, self.p90, self.p99, self.max)

    @property
    def placed(self) -> int:
        """Number of orders that were confirmed within their request."""
        return self.statuses.get("201", 0)

    @property
    def returning(self) -> float:
        """Share of orders from customers with an earlier order."""
        return 1 - self.new / self.sent if self.sent else 0.0


async def send(load: Load) -> LoadOutcome:
    """Run wrk with the load, and return its result. Raises LauncherError."""
    wrk, script = programs.get("wrk"), resources.files("valerix.bench") / "orders.lua"
    with tempfile.TemporaryDirectory() as folder, resources.as_file(script) as lua:
        file = Path(folder) / "load.lua"
        file.touch(mode=0o600)  # the file contains tokens
        file.write_text(_lua(load))
        command = [
            *(
                wrk,
                "-t",
                str(_threads(load.connections)),
                "-c",
                str(load.connections),
                "-d",
                f"{load.seconds:.0f}s",
            ),
            *(
                "--timeout",
                TIMEOUT,
                "-s",
                str(lua),
                f"http://127.0.0.1:{load.port}",
                "--",
                str(file),
            ),
        ]
        printed = await programs.run(command, load.seconds + GRACE_SECONDS)
    for line in printed.splitlines():
        if line.startswith("RESULT "):
            return msgspec.json.decode(line.removeprefix("RESULT "), type=LoadOutcome)
    raise LauncherError(f"wrk printed no result that can be read:\n{printed[-2000:]}")


def customers_for(orders: float, connections: int) -> int:
    """Return the customers that this many orders need.

    Customers of the first and last groups of `orders.lua` order less often.
    """
    return ceil(orders / ORDERS_EACH) + 2 * ORDERS_EACH * _threads(connections) * _group(
        connections
    )


def _group(connections: int) -> int:
    """Return how many customers order between two orders of one customer (see `orders.lua`).

    It is large enough for the first of the two orders to be answered before the second.
    """
    return ceil(connections / _threads(connections) / ORDERS_EACH)


def _threads(connections: int) -> int:
    """Return the threads of wrk: one saturates the stack, two keep up with many connections."""
    return 1 if connections < 64 else 2


def _lua(load: Load) -> str:
    pause_ms = 0.0 if load.per_second is None else load.connections / load.per_second * 1000
    members = {
        "run": load.run,
        "host": f"127.0.0.1:{load.port}",
        "path": load.path,
        "first": load.first,
        "products": load.products,
        "extra": load.extra,
        "peer": load.peer,
        "pause_ms": pause_ms,
        "orders_each": ORDERS_EACH,
        "group": _group(load.connections),
        "threads": _threads(load.connections),
        "tokens": list(load.tokens.values()),
        "customers": list(load.tokens),
    }
    return (
        "return {\n"
        + "".join(f"  {name} = {_value(value)},\n" for name, value in members.items())
        + "}\n"
    )


def _value(value: object) -> str:
    if isinstance(value, list):
        return "{" + ",".join(_value(each) for each in value) + "}"
    return json.dumps(value)  # strings, numbers and booleans are written the same in Lua
