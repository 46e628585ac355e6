"""Three times as many orders as a running stack can take: what still gets through, and how soon all is well again.

    python bench/overload.py --data-dir .valerix

Needs wrk. Figures, no verdict: the test is tests/system/test_overload.py.
"""

import argparse
import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

SCRIPT = Path(__file__).with_suffix(".lua")
PRODUCT = f"OVERLOAD-{int(time.time())}"
CONNECTIONS, CROWD = 128, 1000
SHED_SECONDS = 0.1
"""Guess of how long a request takes on average under overload; only the offered rate depends on it."""


class Outcome(NamedTuple):
    seconds: float
    statuses: dict[str, int]
    lost: int
    p50: float
    p99: float

    @property
    def goodput(self) -> float:
        """Orders a second that were confirmed while somebody waited."""
        return self.statuses.get("201", 0) / self.seconds

    @property
    def requests(self) -> int:
        return sum(self.statuses.values()) + self.lost

    def __str__(self) -> str:
        answers = " ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.goodput:7.0f} orders/s of {self.requests / self.seconds:7.0f} requests/s   "
            f"p50 {self.p50:.0f} ms, p99 {self.p99:.0f} ms   {answers}   lost: {self.lost}"
        )


class Stack:
    """A running stack, as its data directory describes it."""

    def __init__(self, data_dir: Path) -> None:
        self._state = json.loads((data_dir / "run" / "state.json").read_text())
        self._password = (data_dir / "secrets" / "demo").read_text()
        self.url = f"http://127.0.0.1:{self._state['ports']['gateway']}"

    def doors(self) -> list[str]:
        """Every copy of orders."""
        return [
            f"http://127.0.0.1:{each['port']}"
            for name, each in self._state["processes"].items()
            if name.split("-")[0] == "orders"
        ]

    def token(self, name: str) -> str:
        body = {"email": f"{name}@demo.valerix.example", "password": self._password}
        token: str = json.loads(call(f"{self.url}/api/v1/users/login", body))["accessToken"]
        return token

    def stock_up(self) -> None:
        stock = [{"warehouseId": "WH-EAST", "quantity": 1_000_000}]
        price = {"amountMinor": 1000, "currency": "USD"}
        body = {"productId": PRODUCT, "name": "Overload", "price": price, "initialStock": stock}
        call(f"{self.url}/api/v1/products", body, self.token("operator"))

    def attempts(self) -> float:
        """Requests to place orders that reached the doors, and calls that were repeated behind them."""
        start = 'http_requests_total{endpoint="/api/v1/orders",method="POST"', "call_retries_total{"
        lines = (line for door in self.doors() for line in call(f"{door}/metrics").decode().splitlines())
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))


def call(url: str, body: Any = None, token: str = "") -> bytes:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:  # noqa: S310 - ours
        content: bytes = answer.read()
        return content


def load(url: str, token: str, connections: int, seconds: int, pause_ms: float, run: str) -> Outcome:
    command = [
        "wrk",
        "-t",
        "2",
        "-c",
        str(connections),
        "-d",
        f"{seconds}s",
        "--timeout",
        "20s",
        "-s",
        str(SCRIPT),
        url,
    ]
    arguments = ["--", "/api/v1/orders", token, "CUST-001", PRODUCT, f"{PRODUCT}-{run}", f"{pause_ms:.1f}"]
    done = subprocess.run(command + arguments, capture_output=True, text=True, timeout=seconds + 60, check=True)  # noqa: S603
    result = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    outcome = Outcome(**json.loads(result.removeprefix("RESULT ")))
    print(f"{run:>9}  {outcome}", flush=True)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path(".valerix"))
    parser.add_argument("--seconds", type=int, default=30, help="of overload; the other phases take half")
    parser.add_argument("--door", action="store_true", help="past the gateway, at the first copy of orders")
    options = parser.parse_args()
    stack = Stack(options.data_dir)
    stack.stock_up()
    url, token, half = stack.doors()[0] if options.door else stack.url, stack.token("ada"), options.seconds // 2
    load(url, token, CONNECTIONS, 5, 0, "warm-up")
    before = load(url, token, CONNECTIONS, half, 0, "peak")
    counted = stack.attempts()
    pause_ms = max(0.0, CROWD / (3 * before.goodput) - SHED_SECONDS) * 1000
    over = load(url, token, CROWD, options.seconds, pause_ms, "overload")
    counted = stack.attempts() - counted
    load(url, token, CONNECTIONS, 10, 0, "after")
    again = load(url, token, CONNECTIONS, half, 0, "recovered")
    print(
        f"\noffered    {over.requests / over.seconds / before.goodput:.1f} x peak\n"
        f"goodput    {over.goodput / before.goodput:.0%} of peak during overload\n"
        f"recovery   {again.goodput / before.goodput:.0%} of peak 10 s after\n"
        f"attempts   at most {counted / over.requests:.2f} per request (those without an answer at the end count, too)"
    )


if __name__ == "__main__":
    main()
