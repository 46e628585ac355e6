"""Measures lists and searches as staff open them: one after the other, each many times."""

import http.client
import time
from statistics import median, quantiles
from typing import Final
from urllib.parse import urlencode

import msgspec

from valerix.bench import catalogue
from valerix.bench.results import PageResult
from valerix.contracts.states import OrderStatus
from valerix.launcher.errors import LauncherError

TIMES: Final = 200
"""Requests of each page. With fewer, the p99 would be the slowest request."""
OLDEST: Final = {"sort": "createdAt"}


class _ListedOrder(msgspec.Struct, rename="camel"):
    customer_id: str


class _Orders(msgspec.Struct):
    items: list[_ListedOrder]


def measure(port: int, token: str) -> list[PageResult]:
    """Measure the pages at `port`, where orders have been placed. Raises LauncherError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        # The customer of the oldest order: with prefilled orders, a customer with many of them.
        customer = _get(connection, token, OLDEST).items[0].customer_id
        queries = {
            "orders, first page": {},
            "orders of a customer": {"customerId": customer},
            "orders with a status": {"status": str(OrderStatus.FAILED)},
            "orders with a product": {"productId": catalogue.sku(7)},
            "orders found by text": {"q": customer},
            "orders, oldest first": OLDEST,
        }
        return [_measure(connection, token, name, query) for name, query in queries.items()]
    finally:
        connection.close()


def _measure(
    connection: http.client.HTTPConnection, token: str, name: str, query: dict[str, str]
) -> PageResult:
    taken, rows = [], 0
    for _ in range(TIMES):
        started = time.perf_counter()
        rows = len(_get(connection, token, query).items)
        taken.append((time.perf_counter() - started) * 1000)
    return PageResult(name, round(median(taken), 2), round(quantiles(taken, n=100)[98], 2), rows)


def _get(connection: http.client.HTTPConnection, token: str, query: dict[str, str]) -> _Orders:
    path = f"/api/v1/orders?{urlencode({'limit': '50', **query})}"
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise LauncherError(
            f"GET {path} answered {answer.status}: {body[:300].decode(errors='replace')}"
        )
    return msgspec.json.decode(body, type=_Orders)
