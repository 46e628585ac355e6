"""The routes of orders: HTTP in, use case, HTTP out."""

from typing import Final

PATH: Final = "/api/v1/orders"
PROBLEM: Final = b"application/problem+json"
