"""Every statement that writes a list has a test with a row that cannot be stored; the test shows
that the other rows are.
"""

import ast
import re
from pathlib import Path
from typing import Final

SOURCE, TESTS = Path(__file__).parents[1] / "src/valerix", Path(__file__).parent
LIST, WRITING = re.compile(r"(Sequence|list)\["), re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
POISON: Final = (
    "chassis/test_outbox_inbox.py::test_one_poison_event_among_a_thousand_is_one_dead_letter"
)
"""The test of statements that store events of other services: the inbox splits a message with a
failing effect.
"""
ORDERS, PAYMENTS, STOCK, WAITING = (
    "orders/test_impossible.py::",
    "payments/test_impossible.py::",
    "inventory/test_reservations.py::",
    "inventory/test_waiting.py::",
)
SHOWN: Final = {
    "chassis.messaging.mark": POISON,
    "inventory.save": WAITING + "test_a_list_that_cannot_be_stored_fails_alone",
    "inventory.take": STOCK + "test_a_list_that_cannot_be_stored_fails_alone",
    "inventory.end": STOCK + "test_a_list_that_cannot_be_stored_fails_alone",
    "inventory.write": STOCK + "test_a_list_that_cannot_be_stored_fails_alone",
    "notifications.insert_notifications": POISON,
    "notifications.insert_skipped": POISON,
    "notifications.upsert_contacts": POISON,
    "notifications.insert_live_events": POISON,
    "notifications.settle": "notifications/test_sending.py::"
    "test_what_another_machine_says_cannot_keep_the_others_from_being_written_down",
    "orders.finish_orders": ORDERS
    + "test_what_was_found_out_about_an_order_and_cannot_be_written_leaves_it_as_it_was",
    "orders.insert_orders": ORDERS + "test_an_order_that_cannot_be_inserted_is_refused_alone",
    "orders.postpone_orders": ORDERS + "test_a_time_that_cannot_be_stored_postpones_the_others",
    "orders.make_ready_due": POISON,
    "orders.upsert_customers": POISON,
    "payments.insert_payments": PAYMENTS
    + "test_a_capture_that_cannot_be_stored_fails_its_own_list_alone",
    "payments.insert_tombstones": PAYMENTS + "test_a_void_that_cannot_be_stored_writes_nothing",
    "payments.settle_payments": PAYMENTS
    + "test_an_outcome_that_cannot_be_stored_leaves_its_payment_open_and_settles_the_others",
}
OF_ITS_OWN: Final = {
    "inventory.delete": "ids of orders with places that it has locked",
    "chassis.messaging.delete_rows": "numbers of its own rows",
    "orders.count": "rows written just before in its transaction",
    "orders.hand_back": "ids of orders it had taken over",
    "orders.put_off": "ids of orders it has locked",
    "orders.replace_products": "the lines of one order",
    "payments.mark_reported": "ids of refunds it has sent",
}
"""Rows of the exempt statements: they can always be stored, or have no other rows beside them."""


def writing_lists(file: Path) -> list[str]:
    text = file.read_text()
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.AsyncFunctionDef):
            kinds = [ast.unparse(each.annotation) for each in node.args.args if each.annotation]
            statements = (ast.get_source_segment(text, node) or "").replace("FOR UPDATE", "")
            if any(LIST.match(kind) for kind in kinds) and WRITING.search(statements):
                found.append(node.name)
    return found


def test_every_statement_that_writes_a_list_has_been_fed_a_row_it_cannot_write() -> None:
    found = {
        ".".join([*file.relative_to(SOURCE).parts[: 2 if "chassis" in file.parts else 1], name])
        for file in SOURCE.rglob("*.py")
        if "repository" in file.parts or file.stem == "repository"
        for name in writing_lists(file)
    }
    assert found == SHOWN.keys() | OF_ITS_OWN.keys()


def test_the_tests_named_exist() -> None:
    for name in set(SHOWN.values()):
        file, function = name.split("::")
        assert f"def {function}(" in (TESTS / file).read_text(), name
