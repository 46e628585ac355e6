"""What the scripted server answers in tests of commands, and how commands are run against it."""

import subprocess
from collections.abc import Callable

from tests.client.server import AT, ORDER

ID = ORDER["id"]
STOCK = {
    "productId": "PROD-001",
    "name": "Dell [red]XPS[/red] 15",
    "active": True,
    "onHand": 5,
    "reserved": 2,
    "available": 3,
    "lowStockThreshold": 10,
    "lowStock": True,
    "warehouses": [{"warehouseId": "WH-EAST", "onHand": 5, "reserved": 2, "available": 3}],
}
MOVEMENT = {
    "productId": "PROD-001",
    "warehouseId": "WH-EAST",
    "seq": 2,
    "kind": "reserve",
    "onHandDelta": 0,
    "reservedDelta": 2,
    "onHandAfter": 5,
    "reservedAfter": 2,
    "orderId": ID,
    "reason": None,
    "actor": "valerix:orders",
    "traceId": "0af7",
    "occurredAt": AT,
}
EVENTS = [
    {
        "version": 1,
        "type": "order.created",
        "status": "pending",
        "occurredAt": AT,
        "traceId": "0af7",
        "steps": [],
    },
    {
        "version": 2,
        "type": "order.confirmed",
        "status": "confirmed",
        "occurredAt": "2026-01-02T03:04:05.250Z",
        "traceId": "0af7",
        "steps": [
            {
                "name": "charge",
                "attempt": 2,
                "outcome": "captured",
                "startedAt": AT,
                "durationMs": 123.4,
            }
        ],
    },
]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs a command with the words and the environment given."""


def one_line(stderr: str) -> str:
    (line,) = stderr.splitlines()
    return line
