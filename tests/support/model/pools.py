"""Values from answers that later calls build on."""

import random
from collections import deque
from typing import Any

KEPT = 40
"""Maximum number of values of each kind. The newest are kept, because old ones have reached a final
state.
"""
MISSING = 0.04
"""Share of calls that name an object that does not exist."""
NEWEST, CROWDED = 2, 0.4
"""Number of newest orders that concurrent calls concern, and the share of such calls."""
OWN = 0.85
"""Share of a customer's calls that concern the customer's own orders."""
KINDS = {
    "orders": "order",
    "payments": "payment",
    "users": "user",
    "sessions": "session",
    "notifications": "notification",
}
"""The kind of an `id`, by the last of these words in the path."""
FIELDS = {
    "orderId": "order",
    "paymentId": "payment",
    "warehouseId": "warehouse",
    "refreshToken": "refresh",
}
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
        """The last version seen, by the id of an order, a user or a product."""
        self._values: dict[str, deque[str]] = {}

    def add(self, kind: str, value: str) -> None:
        values = self._values.setdefault(kind, deque(maxlen=KEPT))
        if value in values:
            values.remove(value)
        values.append(value)

    def values(self, kind: str) -> list[str]:
        return list(self._values.get(kind, ()))

    def newest(self, kind: str) -> str:
        """Returns the value seen last, for kinds that the first call uses up."""
        return (self.values(kind) or [ABSENT_ID])[-1]

    def draw(self, chance: random.Random, kind: str) -> str:
        """Draws a value of a kind, or one that does not exist."""
        known = self.values(kind)
        if not known or chance.random() < MISSING:
            return ABSENT.get(kind, ABSENT_ID)
        return chance.choice(known)

    def draw_order(
        self, chance: random.Random, statuses: tuple[str, ...], customer: str | None
    ) -> str:
        """Draws an order that was in one of these states when last seen, mostly one of that
        customer, often the newest.
        """
        known = [self.orders[each] for each in self.values("order") if each in self.orders]
        fitting: list[str] = [order["id"] for order in known if order["status"] in statuses]
        if customer is not None and chance.random() < OWN:
            fitting = [each for each in fitting if self.orders[each]["customerId"] == customer]
        if not fitting or chance.random() < MISSING:
            return self.draw(chance, "order")
        return chance.choice(fitting[-NEWEST:] if chance.random() < CROWDED else fitting)

    def learn(self, path: str, document: Any) -> None:
        """Stores every object with an id in an answer of this path."""
        if isinstance(document, list):
            for one in document[:KEPT]:
                self.learn(path, one)
        elif isinstance(document, dict):
            self._learn_one(path, document)
            for name, value in document.items():
                if isinstance(value, str) and name in FIELDS:
                    self.add(FIELDS[name], value)
                else:
                    self.learn(
                        "/orders" if name == "order" else "/users" if name == "user" else path,
                        value,
                    )

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
