"""What answers gave, for later calls to build on."""

import random
from collections import deque
from typing import Any

KEPT = 40
"""Of each kind, the newest: old ones have ended."""
MISSING = 0.04
"""How often something is asked for that does not exist."""
NEWEST, CROWDED = 2, 0.4
"""How many of the newest orders are called about at the same time, and how often."""
OWN = 0.85
"""How often customers ask for what is theirs."""
KINDS = {
    "orders": "order",
    "payments": "payment",
    "users": "user",
    "sessions": "session",
    "notifications": "notification",
}
"""What an `id` is of, by the last of these words in the path."""
FIELDS = {"orderId": "order", "paymentId": "payment", "warehouseId": "warehouse", "refreshToken": "refresh"}
ABSENT = {
    **dict.fromkeys(("sku", "other sku"), "NO-SUCH-THING"),
    **dict.fromkeys(("customer", "guest customer"), "CUST-999999"),
    "warehouse": "WH-NOWHERE",
    "letter": "999999",
}
ABSENT_ID = "01900000-0000-7000-8000-000000000000"


class Pools:
    """Values by kind, and the last representation seen of each order."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, int] = {}
        """By id of an order, a user, a product."""
        self._values: dict[str, deque[str]] = {}

    def add(self, kind: str, value: str) -> None:
        values = self._values.setdefault(kind, deque(maxlen=KEPT))
        if value in values:
            values.remove(value)
        values.append(value)

    def values(self, kind: str) -> list[str]:
        return list(self._values.get(kind, ()))

    def newest(self, kind: str) -> str:
        """The one seen last: of what is used up by the first call."""
        return (self.values(kind) or [ABSENT_ID])[-1]

    def draw(self, chance: random.Random, kind: str) -> str:
        """One of a kind, or one that does not exist."""
        known = self.values(kind)
        if not known or chance.random() < MISSING:
            return ABSENT.get(kind, ABSENT_ID)
        return chance.choice(known)

    def draw_order(self, chance: random.Random, statuses: tuple[str, ...], customer: str | None) -> str:
        """An order that was in one of these states when it was last seen, mostly of that customer, often the newest."""
        known = [self.orders[each] for each in self.values("order") if each in self.orders]
        fitting: list[str] = [order["id"] for order in known if order["status"] in statuses]
        if customer is not None and chance.random() < OWN:
            fitting = [each for each in fitting if self.orders[each]["customerId"] == customer]
        if not fitting or chance.random() < MISSING:
            return self.draw(chance, "order")
        return chance.choice(fitting[-NEWEST:] if chance.random() < CROWDED else fitting)

    def learn(self, path: str, document: Any) -> None:
        """Whatever has an id in an answer of this path."""
        if isinstance(document, list):
            for one in document[:KEPT]:
                self.learn(path, one)
        elif isinstance(document, dict):
            self._learn_one(path, document)
            for name, value in document.items():
                if isinstance(value, str) and name in FIELDS:
                    self.add(FIELDS[name], value)
                else:
                    self.learn("/orders" if name == "order" else "/users" if name == "user" else path, value)

    def _learn_one(self, path: str, document: dict[str, Any]) -> None:
        kind = next((KINDS[word] for word in reversed(path.split("/")) if word in KINDS), None)
        given = document.get("id") or document.get("productId")
        if isinstance(given, str) and isinstance(document.get("version"), int):
            self.versions[given] = document["version"]
        if kind is None or not isinstance(document.get("id"), str):
            return
        self.add(kind, document["id"])
        if kind == "order" and "onShortage" in document:
            self.orders[document["id"]] = document
