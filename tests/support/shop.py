"""Common HTTP calls of tests to a shop, be it a whole stack or single services."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.support.api import Answer, Api
from tests.support.eventually import eventually

PRICE: Final = 1000
"""Price of a test product in minor units."""


async def routed(call: Callable[[], Awaitable[Answer]], seconds: float = 60) -> Answer:
    """Repeats a call until a service answers it, instead of a gateway that still considers the
    service down.
    """

    async def answered() -> Answer | None:
        answer = await call()
        is_the_gateways = answer.headers.get("content-type", "").startswith("text/plain")
        return None if answer.status in (404, 502, 503) and is_the_gateways else answer

    answer = await eventually(answered, seconds)
    assert answer is not None
    return answer


async def place(api: Api, lines: dict[str, int], customer: str = "CUST-001", **more: Any) -> Answer:
    """Places one order; `key=` becomes the Idempotency-Key."""
    headers = {"Idempotency_Key": more.pop("key")} if "key" in more else {}
    items = [{"productId": sku, "quantity": quantity} for sku, quantity in lines.items()]
    return await api.post(
        "/api/v1/orders", {"customerId": customer, "items": items, **more}, **headers
    )


async def new_product(operator: Api, sku: str, units: int, price: int = PRICE) -> None:
    """Creates a product that no other test of the run uses, with all its stock in one warehouse."""
    body = {
        "productId": sku,
        "name": f"Test {sku}",
        "price": {"amountMinor": price, "currency": "USD"},
        "initialStock": [{"warehouseId": "WH-EAST", "quantity": units}],
    }
    answer = await routed(lambda: operator.post("/api/v1/products", body))
    assert answer.status == 201, answer.body
