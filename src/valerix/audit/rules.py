"""The one list of rules."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from valerix.audit import delivery, flow, history, money, stock
from valerix.audit.snapshot import AuditSnapshot, Finding


class Rule(NamedTuple):
    """A rule.

    `says`: its text for people. `binding`: its findings are violations; otherwise they are only
    listed.
    """

    name: str
    says: str
    judge: Callable[[AuditSnapshot], Awaitable[Finding]]
    binding: bool = True


RULES: Final = (
    Rule("movements", "stock movements are gap-free", stock.movements_are_gap_free),
    Rule("stock", "stock is what its movements say", stock.stock_is_what_moved),
    Rule("reserved", "reserved is what orders hold", stock.reserved_is_what_orders_hold),
    Rule("goods", "the goods of an order move once", stock.goods_moved_once),
    Rule("waiting", "waiting orders are served by age", stock.waiting_orders_are_served_by_age),
    Rule("reservations", "reservations fit their orders", stock.reservations_fit_their_orders),
    Rule("captures", "no payment is charged twice", money.nobody_is_charged_twice),
    Rule("ledger", "payments and the provider's ledger agree", money.ledger_and_payments_agree),
    Rule("money", "the money kept is the total of the order", money.money_fits_the_orders),
    Rule("refunds", "orders show the refunds by hand", money.refunds_by_hand_are_shown),
    Rule("answers", "every answer can be repeated", history.answers_can_be_repeated),
    Rule(
        "order_history",
        "order histories are gap-free and legal",
        history.orders_have_gap_free_legal_histories,
    ),
    Rule(
        "payment_history",
        "payment histories are gap-free and legal",
        history.payments_have_gap_free_legal_histories,
    ),
    Rule("user_history", "user histories are gap-free", history.users_have_gap_free_histories),
    Rule("acts", "acts of staff are on record", history.acts_of_staff_are_on_record),
    Rule("unfinished", "nothing is unfinished", flow.nothing_is_unfinished),
    Rule("outbox", "every event has left", flow.outboxes_are_drained),
    Rule("delivery", "every event has had its effects", delivery.events_have_had_their_effects),
    Rule("notifications", "every occasion is notified once", delivery.occasions_are_notified_once),
    Rule("dead_letters", "dead letters", flow.dead_letters, binding=False),
    Rule("durability", "commits are durable", flow.commits_are_durable),
)
