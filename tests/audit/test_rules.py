"""Every rule can fail: each finds the violation in tampered data, and no other rule fails."""

from collections.abc import AsyncIterator

import pytest

from tests.audit.conftest import ORDERS, Past
from valerix.audit.inspection import AuditReport, inspect
from valerix.audit.rules import RULES
from valerix.contracts.states import ChargeStatus
from valerix.psp.schemas import LedgerCharge, LedgerRefund

ON_THE_TEST_SERVER = {"durability"}
"""Rules that the test server violates: it does not sync commits."""


def first(table: str, status: str) -> str:
    return f"(SELECT id FROM {table} WHERE status = '{status}' ORDER BY id LIMIT 1)"


COMPLETED, CONFIRMED_ONE = first("orders", "completed"), first("orders", "confirmed")
CANCELLED, FAILED = first("orders", "cancelled"), first("orders", "failed")
CAPTURED, DECLINED = first("payments", "captured"), first("payments", "declined")
COMMITTED = (
    "(SELECT order_id FROM reservations WHERE state = 'committed' ORDER BY order_id LIMIT 1)"
)
LAST_RESERVATION = "(SELECT max(order_id) FROM reservations WHERE state = 'reserved')"
SHELF = "sku = 'BENCH-00002'"
WAITS = (
    "status = 'pending', error_code = 'insufficient_stock', on_shortage = 'backorder',"
    " created_at = now(), due_at = now() + interval '1 hour'"
)
NO_ORDER = "'00000000-0000-7000-8000-000000000000'"
REFUND = "'00000000-0000-7000-8000-000000000001'::uuid"

TAMPERINGS: dict[str, tuple[set[str], list[tuple[str, str]]]] = {
    "a movement is lost": (
        {"movements", "stock", "goods"},
        [("inventory", f"DELETE FROM movements WHERE {SHELF} AND seq = 2")],
    ),
    "a movement says another outcome": (
        {"movements"},
        [("inventory", f"UPDATE movements SET on_hand_after = 5 WHERE {SHELF} AND seq = 1")],
    ),
    "a unit vanishes": (
        {"stock"},
        [("inventory", f"UPDATE stock SET on_hand = on_hand - 1 WHERE {SHELF}")],
    ),
    "a stock row vanishes": (
        {"stock"},
        [("inventory", "DELETE FROM stock WHERE sku = 'BENCH-00999'")],
    ),
    "more is promised than is there": (
        {"stock", "reserved"},
        [
            ("inventory", "ALTER TABLE stock DROP CONSTRAINT stock_check"),
            ("inventory", f"UPDATE stock SET reserved = on_hand + 1 WHERE {SHELF}"),
        ],
    ),
    "a reservation holds more than it took": (
        {"reserved", "goods"},
        [
            (
                "inventory",
                "UPDATE reservations SET lines = jsonb_set(lines, '{0,quantity}', '50')"
                f" WHERE order_id = {LAST_RESERVATION}",
            )
        ],
    ),
    "a reservation is forgotten": (
        {"goods", "reservations"},
        [("inventory", f"DELETE FROM reservations WHERE order_id = {COMMITTED}")],
    ),
    "goods leave twice": (
        {"goods", "movements", "stock", "outbox"},
        [
            ("inventory", "DROP INDEX movements_order_step"),
            (
                "inventory",
                "INSERT INTO movements SELECT sku, warehouse_id, 1000, kind, on_hand_delta,"
                " reserved_delta, on_hand_after, reserved_after, order_id, idempotency_key, reason,"
                " actor, trace_id, occurred_at"
                f" FROM movements WHERE {SHELF} AND kind = 'commit' ORDER BY seq LIMIT 1",
            ),
        ],
    ),
    "an order waits although there is stock": (
        {"waiting", "reservations"},
        [
            ("inventory", "UPDATE products SET updated_at = now() - interval '1 hour'"),
            (
                "inventory",
                "INSERT INTO waiting_orders (order_id, since, trace_id, version, missing)"
                f" VALUES ({NO_ORDER}, now(), '', 1, 1)",
            ),
            (
                "inventory",
                "INSERT INTO waiting_lines (order_id, sku, since, quantity, missing, set_aside)"
                f" VALUES ({NO_ORDER}, 'BENCH-00002', now(), 1, 1, '[]')",
            ),
        ],
    ),
    "units are set aside that were never moved": (
        {"goods", "reserved", "reservations"},
        [
            (
                "inventory",
                "INSERT INTO waiting_orders (order_id, since, trace_id, version, missing)"
                f" VALUES ({NO_ORDER}, now(), '', 1, 0)",
            ),
            (
                "inventory",
                "INSERT INTO waiting_lines (order_id, sku, since, quantity, missing, set_aside)"
                f" SELECT {NO_ORDER}, sku, now(), 1, 0,"
                " jsonb_build_array(jsonb_build_object('productId', sku,"
                f" 'warehouseId', warehouse_id, 'quantity', 1)) FROM stock WHERE {SHELF}",
            ),
        ],
    ),
    "a backorder has lost its place": (
        {"reservations", "order_history"},
        [
            ("orders", f"UPDATE orders SET {WAITS} WHERE id = {FAILED}"),
            ("inventory", "DELETE FROM reservations WHERE state = 'released'"),
        ],
    ),
    "a cancelled order keeps its stock": (
        {"reservations", "order_history", "money"},
        [("orders", f"UPDATE orders SET status = 'cancelled' WHERE id = {CONFIRMED_ONE}")],
    ),
    "an order is lost": (
        {"reservations", "money", "order_history"},
        [("orders", f"DELETE FROM orders WHERE id = {COMPLETED}")],
    ),
    "an order confirmed without stock": (
        {"goods", "reservations", "reserved"},
        [
            (
                "inventory",
                f"UPDATE reservations SET state = 'released' WHERE order_id = {LAST_RESERVATION}",
            )
        ],
    ),
    "a payment is lost, its money is not": (
        {"ledger", "money", "payment_history"},
        [("payments", f"DELETE FROM payments WHERE id = {CAPTURED}")],
    ),
    "a captured payment is called declined": (
        {"ledger", "payment_history"},
        [("payments", f"UPDATE payments SET status = 'declined' WHERE id = {CAPTURED}")],
    ),
    "less was taken than confirmed": (
        {"money"},
        [("orders", f"UPDATE orders SET total_minor = total_minor + 1 WHERE id = {COMPLETED}")],
    ),
    "a refund that was not given": (
        {"ledger", "money"},
        [("payments", f"UPDATE payments SET refunded_minor = 1 WHERE id = {CAPTURED}")],
    ),
    "an order shows a refund nobody gave": (
        {"refunds"},
        [("orders", f"UPDATE orders SET refunded_minor = 1 WHERE id = {COMPLETED}")],
    ),
    "an answer is gone": (
        {"answers"},
        [("orders", f"UPDATE orders SET answer_version = 99 WHERE id = {COMPLETED}")],
    ),
    "an event is missing": (
        {"order_history"},
        [("orders", f"DELETE FROM order_events WHERE version = 3 AND order_id = {COMPLETED}")],
    ),
    "an order jumped": (
        {"order_history"},
        [
            (
                "orders",
                "UPDATE order_events SET type = 'order.completed'"
                f" WHERE version = 3 AND order_id = {COMPLETED}",
            )
        ],
    ),
    "an order moved without telling": (
        {"order_history", "reservations"},
        [("orders", f"UPDATE orders SET status = 'completed' WHERE id = {CONFIRMED_ONE}")],
    ),
    "a declined payment captured afterwards": (
        {"payment_history", "outbox"},
        [
            (
                "payments",
                "INSERT INTO payment_events"
                " SELECT payment_id, 2, 'payment.captured', data, trace_id, occurred_at"
                f" FROM payment_events WHERE payment_id = {DECLINED}",
            ),
        ],
    ),
    "a user's event is missing": (
        {"user_history"},
        [("users", "DELETE FROM user_events WHERE user_id = (SELECT id FROM users LIMIT 1)")],
    ),
    "an order nobody drives": (
        {"unfinished"},
        [
            (
                "orders",
                "UPDATE orders SET due_at = now() - interval '1 minute'"
                f" WHERE id = {CONFIRMED_ONE}",
            )
        ],
    ),
    "a payment without an outcome": (
        {"unfinished", "money", "payment_history"},
        [
            (
                "payments",
                "UPDATE payments SET status = 'processing', due_at = now(), captured_minor = 0"
                f" WHERE id = {CAPTURED}",
            )
        ],
    ),
    "an event that never left": (
        {"outbox"},
        [("payments", "INSERT INTO outbox (subjects, versions) VALUES ('{}', '{}')")],
    ),
    "a refund by hand has no act": (
        {"acts"},
        [
            (
                "payments",
                "INSERT INTO refunds (id, payment_id, amount_minor, reason, status,"
                " provider_reference, idempotency_key, fingerprint, created_at, updated_at)"
                f" SELECT gen_random_uuid(), {CAPTURED}, 1, 'x', 'failed',"
                " 'x', 'key', 'body', now(), now()",
            )
        ],
    ),
    "stock is corrected without an act": (
        {"acts"},
        [("inventory", f"UPDATE movements SET kind = 'adjust' WHERE {SHELF} AND seq = 1")],
    ),
    "an act that left is not in the audit": (
        {"acts"},
        [
            (
                "inventory",
                "INSERT INTO acts (id, act, actor, role, trace_id, subject, what, emitted)"
                " VALUES (gen_random_uuid(), 'tested', 'olga', 'operator', '', '', '{}', true)",
            )
        ],
    ),
    "an act of staff that never left": (
        {"outbox"},
        [
            (
                "inventory",
                "INSERT INTO acts (id, act, actor, role, trace_id, subject, what)"
                " VALUES (gen_random_uuid(), 'tested', 'olga', 'operator', '', '', '{}')",
            )
        ],
    ),
}


async def look(past: Past) -> AuditReport:
    return await inspect(past.sources, looks=1)


def broken(report: AuditReport) -> set[str]:
    return {verdict.rule for verdict in report.verdicts if not verdict.holds} - ON_THE_TEST_SERVER


async def test_a_sound_past_is_found_sound_and_all_of_it_was_looked_at(past: Past) -> None:
    report = await look(past)
    assert broken(report) == set()
    checked = {verdict.rule: verdict.checked for verdict in report.verdicts}
    assert (
        checked["money"] == checked["captures"] == checked["ledger"] == checked["goods"] == ORDERS
    )
    assert checked["movements"] > 2 * ORDERS
    assert await past.value(
        "inventory", "SELECT count(*) FROM reservations WHERE state = 'reserved'"
    )


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_tampered_past_is_found_out(past: Past, tampering: str) -> None:
    expected, statements = TAMPERINGS[tampering]
    for service, *words in statements:
        await past.execute(service, *words)
    report = await look(past)
    assert broken(report) == expected
    assert not report.sound
    assert all(len(v.violations) == v.value for v in report.verdicts if not v.holds)


async def test_a_second_capture_of_the_same_order_is_found(past: Past) -> None:
    reference = await past.value(
        "payments", f"SELECT provider_reference FROM payments WHERE id = {CAPTURED}"
    )
    past.write(LedgerCharge(reference, ChargeStatus.CAPTURED, 1299, "USD", "card_ok"))
    report = await look(past)
    assert "captures" in broken(report)
    (verdict,) = [v for v in report.verdicts if v.rule == "captures"]
    assert [v.subject for v in verdict.violations] == [reference]


async def test_money_at_the_provider_that_no_payment_knows_is_found(past: Past) -> None:
    past.write(LedgerCharge("order-of-nobody", ChargeStatus.CAPTURED, 1299, "USD", "card_ok"))
    report = await look(past)
    assert broken(report) == {"ledger"}
    (verdict,) = [v for v in report.verdicts if v.rule == "ledger"]
    assert "order-of-nobody" in [v.subject for v in verdict.violations]


async def test_a_refund_only_the_provider_knows_is_found(past: Past) -> None:
    reference = await past.value(
        "payments", f"SELECT provider_reference FROM payments WHERE id = {CAPTURED}"
    )
    past.write(LedgerRefund("refund-of-nobody", reference, 1))
    assert broken(await look(past)) == {"ledger"}


async def test_a_charge_the_provider_does_not_have_is_found(past: Past) -> None:
    await past.execute(
        "payments", f"UPDATE payments SET provider_reference = 'elsewhere' WHERE id = {CAPTURED}"
    )
    assert broken(await look(past)) == {"ledger"}


async def test_a_server_that_does_not_sync_is_found(past: Past) -> None:
    report = await inspect(
        past.sources, looks=1, rules=[rule for rule in RULES if rule.name == "durability"]
    )
    assert {v.subject for v in report.verdicts[0].violations} == {"fsync", "full_page_writes"}
    assert not report.sound


async def test_dead_letters_are_listed_but_violate_nothing(past: Past) -> None:
    for service in ("orders", "inventory", "notifications"):
        await past.execute(
            service,
            "INSERT INTO dead_letters (consumer, event, error, attempts)"
            " VALUES ('here', '{}', 'odd', 1)",
        )
    report = await look(past)
    (verdict,) = [v for v in report.verdicts if v.rule == "dead_letters"]
    assert (verdict.value, verdict.holds) == (3, True)
    assert broken(report) == set()


async def give_back_by_hand(past: Past) -> str:
    """Refund 300 of a captured payment by hand; return the id of its order."""
    order_id = await past.value("payments", f"SELECT order_id FROM payments WHERE id = {CAPTURED}")
    reference = await past.value(
        "payments", f"SELECT provider_reference FROM payments WHERE id = {CAPTURED}"
    )
    past.write(LedgerRefund("refund-by-hand", reference, 300))
    await past.execute(
        "payments",
        "INSERT INTO refunds (id, payment_id, amount_minor, reason, status, provider_reference,"
        " idempotency_key, fingerprint, created_at, updated_at)"
        f" VALUES ({REFUND}, {CAPTURED}, 300, 'scratched', 'succeeded',"
        " 'refund-by-hand', 'k', 'f', now(), now())",
        "INSERT INTO acts (id, act, actor, role, trace_id, subject, what, emitted) VALUES"
        f" ({REFUND}, 'payment.refunded', 'olga', 'operator', '', '',"
        f" json_build_object('refundId', {REFUND}), true)",
    )
    await past.execute(
        "users",
        "INSERT INTO audit (id, action, details, trace_id, service)"
        f" VALUES ({REFUND}, 'payment.refunded', '{{}}', '', 'payments')",
    )
    for statement in (
        "INSERT INTO payment_events"
        " SELECT payment_id, 2, 'payment.refunded', '{\"status\": \"partially_refunded\"}',"
        f" trace_id, occurred_at FROM payment_events WHERE payment_id = {CAPTURED}",
        "UPDATE payments SET status = 'partially_refunded', refunded_minor = 300, version = 2"
        f" WHERE id = {CAPTURED}",
        "DELETE FROM outbox",
    ):
        await past.execute("payments", statement)
    return order_id


async def test_what_staff_returned_by_hand_is_owed_by_nobody(past: Past) -> None:
    """The customer keeps the goods and gets some money back; no rule is violated."""
    await give_back_by_hand(past)
    assert broken(await look(past)) == set()  # its event had no time yet to reach orders


async def test_a_refund_by_hand_that_its_order_never_shows_is_found(past: Past) -> None:
    order_id = await give_back_by_hand(past)
    await past.execute("payments", "UPDATE refunds SET updated_at = now() - interval '1 hour'")
    assert broken(await look(past)) == {"refunds"}
    await past.execute("orders", f"UPDATE orders SET refunded_minor = 300 WHERE id = '{order_id}'")
    assert broken(await look(past)) == set()
    await past.execute("orders", f"UPDATE orders SET refunded_minor = 299 WHERE id = '{order_id}'")
    assert broken(await look(past)) == {"refunds"}


async def test_what_is_gone_at_the_next_look_was_no_violation(past: Past) -> None:
    """A working stack has rows on their way; only rows that stay are violations."""
    await past.execute("payments", "INSERT INTO outbox (subjects, versions) VALUES ('{}', '{}')")
    looks = 0

    async def ledger() -> AsyncIterator[list[LedgerCharge]]:
        nonlocal looks
        looks += 1
        if looks == 2:
            await past.execute("payments", "DELETE FROM outbox")
        async for charges in past.sources.ledger():
            yield charges

    sources = past.sources._replace(ledger=ledger)
    report = await inspect(
        sources, rules=[rule for rule in RULES if rule.name in ("outbox", "money")]
    )
    assert (report.sound, looks) == (True, 2)
