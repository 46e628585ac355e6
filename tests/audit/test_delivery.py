"""The rules of delivery can fail: each sees events that were published and not received."""

import pytest

from tests.audit.conftest import Past
from tests.audit.test_rules import COMMITTED, COMPLETED, FAILED, WAITS, broken, look

FIRST_RELEASED = "(SELECT min(order_id) FROM reservations WHERE state = 'released')"
"""Of the first order that failed."""
LAST_RESERVED = "(SELECT max(order_id) FROM reservations WHERE state = 'reserved')"
AN_HOUR_AGO = "now() - interval '1 hour'"

TAMPERINGS: dict[str, tuple[set[str], list[tuple[str, str]]]] = {
    "an order was shipped, and inventory has forgotten it": (
        {"delivery", "reservations", "goods", "notifications"},
        [
            (
                "orders",
                f"UPDATE order_events SET occurred_at = {AN_HOUR_AGO}"
                f" WHERE version = 4 AND order_id = {COMPLETED}",
            ),
            ("inventory", f"DELETE FROM reservations WHERE order_id = {COMMITTED}"),
        ],
    ),
    "inventory never heard of an order that failed": (
        {"delivery", "notifications"},
        [
            (
                "orders",
                f"UPDATE order_events SET occurred_at = {AN_HOUR_AGO}"
                f" WHERE version = 2 AND order_id = {FAILED}",
            ),
            ("inventory", "DELETE FROM reservations WHERE state = 'released'"),
        ],
    ),
    "a customer is known nowhere else": (
        {"delivery"},
        [
            (
                "users",
                f"UPDATE user_events SET occurred_at = {AN_HOUR_AGO}"
                " WHERE user_id = (SELECT id FROM users LIMIT 1)",
            )
        ],
    ),
    "an order whose stock is ready waits on": (
        {"delivery", "order_history"},
        [
            ("orders", f"UPDATE orders SET {WAITS} WHERE id = {FAILED}"),
            (
                "inventory",
                "UPDATE reservations SET state = 'absent', lines = '[]'"
                f" WHERE order_id = {FIRST_RELEASED}",
            ),
            (
                "inventory",
                "INSERT INTO waiting_orders (order_id, since, trace_id, version, missing)"
                " SELECT order_id, now(), '', 1, 0 FROM reservations WHERE state = 'absent'",
            ),
        ],
    ),
    "an occasion was never notified": (
        {"notifications"},
        [
            (
                "orders",
                f"UPDATE order_events SET occurred_at = {AN_HOUR_AGO}"
                f" WHERE version = 2 AND order_id = {COMPLETED}",
            )
        ],
    ),
    "low stock was never notified": (
        {"notifications"},
        [
            (
                "inventory",
                "UPDATE movements SET occurred_at = now() - interval '200 days'"
                " WHERE kind = 'receive'",
            ),
            (
                "inventory",
                f"UPDATE movements SET occurred_at = {AN_HOUR_AGO}"
                f" WHERE order_id = {LAST_RESERVED}",
            ),
            (
                "inventory",
                "UPDATE products p SET updated_at = now() - interval '2 days',"
                " low_stock_threshold ="
                " (SELECT sum(on_hand - reserved) FROM stock WHERE sku = p.sku)"
                f" WHERE sku = (SELECT sku FROM movements WHERE order_id = {LAST_RESERVED})",
            ),
        ],
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_what_was_not_delivered_is_found(past: Past, tampering: str) -> None:
    expected, statements = TAMPERINGS[tampering]
    for service, *words in statements:
        await past.execute(service, *words)
    assert broken(await look(past)) == expected


async def test_what_may_be_on_its_way_is_not_blamed(past: Past) -> None:
    just_now = "now() - interval '100 seconds'"
    await past.execute(
        "orders", f"UPDATE order_events SET occurred_at = {just_now} WHERE order_id = {COMPLETED}"
    )
    assert broken(await look(past)) == set()


async def test_a_dead_letter_is_listed_and_not_blamed(past: Past) -> None:
    await past.execute(
        "orders",
        f"UPDATE order_events SET occurred_at = {AN_HOUR_AGO}"
        f" WHERE version = 2 AND order_id = {COMPLETED}",
    )
    event_id = await past.value("orders", f"SELECT {COMPLETED} || ':2'")
    await past.execute(
        "notifications",
        "INSERT INTO dead_letters (consumer, event, error, attempts) VALUES ('notifications',"
        f" json_build_object('source', '/valerix/orders', 'id', '{event_id}'), 'odd', 1)",
    )
    assert broken(await look(past)) == set()
