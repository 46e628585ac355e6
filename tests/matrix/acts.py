"""The act that each changing route of staff records, and the reason why the other routes record
none.

A route that is missing from this module fails `tests/matrix/test_acts.py`.
"""

from typing import Final

from tests.matrix.callers import ADMIN, OPERATOR
from tests.matrix.expectations import ALL_CHAOS, CHAOS, RULES
from tests.matrix.knock import SAFE, Key
from valerix.contracts import acts

DEAD_LETTERS: Final = ("orders", "inventory", "notifications", "users")
RECORDED: Final[dict[Key, str]] = {
    ("orders", "POST", "/api/v1/orders"): acts.ORDER_PLACED,
    ("orders", "PUT", "/api/v1/orders/{order_id}"): acts.ORDER_CHANGED,
    ("orders", "POST", "/api/v1/orders/{order_id}/retry"): acts.ORDER_RETRIED,
    ("orders", "DELETE", "/api/v1/orders/{order_id}"): acts.ORDER_CANCELLED,
    ("inventory", "POST", "/api/v1/inventory/reserve"): acts.STOCK_RESERVED,
    ("inventory", "POST", "/api/v1/inventory/release"): acts.STOCK_RELEASED,
    ("inventory", "POST", "/api/v1/inventory/commit"): acts.STOCK_COMMITTED,
    ("inventory", "POST", "/api/v1/inventory/adjust"): acts.STOCK_ADJUSTED,
    ("inventory", "POST", "/api/v1/inventory/update"): acts.STOCK_UPDATED,
    ("inventory", "POST", "/api/v1/products"): acts.PRODUCT_CREATED,
    ("inventory", "PUT", "/api/v1/products/{sku}"): acts.PRODUCT_REPLACED,
    ("inventory", "DELETE", "/api/v1/products/{sku}"): acts.PRODUCT_DELETED,
    ("inventory", "POST", "/api/v1/warehouses"): acts.WAREHOUSE_CREATED,
    ("payments", "POST", "/api/v1/payments"): acts.PAYMENT_CAPTURED,
    ("payments", "POST", "/api/v1/payments/{payment_id}/refund"): acts.PAYMENT_REFUNDED,
    ("users", "PUT", "/api/v1/users/{user_id}"): "profile.changed",
    ("users", "PUT", "/api/v1/users/{user_id}/status"): "status.changed",
    ("users", "PUT", "/api/v1/users/{user_id}/role"): "role.changed",
    ("users", "DELETE", "/api/v1/users/{user_id}/sessions"): "sessions.revoked",
    ("users", "DELETE", "/api/v1/users/{user_id}/sessions/{session_id}"): "session.revoked",
    ("notifications", "POST", "/api/v1/notifications/send"): acts.NOTIFICATION_SENT,
    **{
        (
            name,
            "POST",
            f"/api/v1/{name}/dead-letters/{{letter_id}}/replay",
        ): acts.DEAD_LETTER_REPLAYED
        for name in DEAD_LETTERS
    },
    **{key: acts.CHAOS_ARMED for key in RULES if key[1:] == ("PUT", CHAOS)},
    **{
        key: acts.CHAOS_ENDED
        for key in RULES
        if key[1:] in (("DELETE", CHAOS), ("DELETE", ALL_CHAOS))
    },
}
UNRECORDED: Final[dict[Key, str]] = {
    ("users", "POST", "/api/v1/users/register"): "open to all: the caller has no account yet",
    ("users", "POST", "/api/v1/users/login"): "open to all; its audit has every sign-in",
    ("users", "POST", "/api/v1/users/refresh"): "open to all; prolongs a session that is on record",
    (
        "users",
        "POST",
        "/api/v1/users/logout",
    ): "one's own session; its audit has it (session.logged_out)",
    (
        "users",
        "POST",
        "/api/v1/users/password/forgot",
    ): "open to all; its audit has it (password.reset_requested)",
    (
        "users",
        "POST",
        "/api/v1/users/password/reset",
    ): "open to all; its audit has it (password.reset)",
    (
        "users",
        "POST",
        "/api/v1/users/email/confirm",
    ): "open to all; its audit has it (email.confirmed)",
    (
        "users",
        "POST",
        "/api/v1/users/me/email/confirmation",
    ): "one's own; its audit has it (email.confirmation_requested)",
    (
        "users",
        "DELETE",
        "/api/v1/users/me/sessions",
    ): "one's own sessions; its audit has it (sessions.revoked)",
    (
        "users",
        "PUT",
        "/api/v1/users/me/password",
    ): "one's own account; its audit has it (password.changed)",
    ("users", "POST", acts.RECORD_ACT): "it writes the record",
}


def changing() -> set[Key]:
    """Returns the routes by which staff may change something."""
    return {
        key for key, rule in RULES.items() if key[1] not in SAFE and rule.passes & {OPERATOR, ADMIN}
    }
