"""Lists and searches, as staff open them: one after the other, each many times."""

import http.client
import time
from statistics import median, quantiles
from typing import Final
from urllib.parse import urlencode

import msgspec

from valerix.bench import catalogue
from valerix.bench.results import Page
from valerix.launcher.errors import LauncherError

TIMES: Final = 200
"""Fewer have no p99 but their slowest, which is the first: it opens the connection."""
ASKED: Final[dict[str, dict[str, str]]] = {
    "orders, first page": {},
    "orders of a customer": {"customerId": catalogue.customer(7)},
    "orders with a status": {"status": "failed"},
    "orders with a product": {"productId": catalogue.sku(7)},
    "orders found by text": {"q": catalogue.customer(11)},
    "orders, oldest first": {"sort": "createdAt"},
}


class _Items(msgspec.Struct):
    items: list[msgspec.Raw]


def measure(port: int, token: str) -> list[Page]:
    """Through the door at `port`. Raises LauncherError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        return [_measure(connection, token, name, query) for name, query in ASKED.items()]
    finally:
        connection.close()


def _measure(connection: http.client.HTTPConnection, token: str, name: str, query: dict[str, str]) -> Page:
    path = f"/api/v1/orders?{urlencode({'limit': '50', **query})}"
    taken, rows = [], 0
    for _ in range(TIMES):
        started = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - started) * 1000)
        if answer.status != 200:
            raise LauncherError(f"GET {path} answered {answer.status}: {body[:300].decode(errors='replace')}")
        rows = len(msgspec.json.decode(body, type=_Items).items)
    return Page(name, round(median(taken), 2), round(quantiles(taken, n=100)[98], 2), rows)
