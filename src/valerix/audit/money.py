"""Money: the provider's ledger, the payments and the orders agree."""

from typing import Final

from valerix.audit.snapshot import AuditSnapshot, Finding, decide
from valerix.contracts.states import ChargeStatus, OrderStatus, PaymentStatus

_CAPTURED: Final = f"'{ChargeStatus.CAPTURED}'"
_CHARGED_ANYWAY: Final = f"c.status = {_CAPTURED} OR p.captured_minor <> 0"
_CHARGED_OTHERWISE: Final = f"""
    c.status IS DISTINCT FROM {_CAPTURED}
    OR (c.amount_minor, c.currency) IS DISTINCT FROM (p.captured_minor, p.currency)
    OR c.refunded_minor NOT BETWEEN p.refunded_minor AND p.refunded_minor + p.refunding_minor"""
_LEDGER_DIFFERS: Final = decide(
    "p",
    {
        PaymentStatus.PROCESSING: "false",
        PaymentStatus.CAPTURED: _CHARGED_OTHERWISE,
        PaymentStatus.PARTIALLY_REFUNDED: _CHARGED_OTHERWISE,
        PaymentStatus.REFUNDED: _CHARGED_OTHERWISE,
        PaymentStatus.DECLINED: _CHARGED_ANYWAY,
        PaymentStatus.VOIDED: _CHARGED_ANYWAY,
    },
)
_KEPT: Final = "p.captured_minor > p.refunded_minor"
_OTHER_AMOUNT: Final = """
    coalesce(p.captured_minor - p.refunded_minor + p.by_hand_minor, 0) <> o.total_minor
    OR o.total_minor > 0 AND p.currency <> o.currency"""
_OTHER_AMOUNT_UNLESS_CANCELLING: Final = f"o.cancel_reason IS NULL AND ({_OTHER_AMOUNT})"
_MONEY_DIFFERS: Final = decide(
    "o",
    {
        OrderStatus.PENDING: (
            f"o.error_code = 'insufficient_stock' AND o.cancel_reason IS NULL AND {_KEPT}"
        ),
        OrderStatus.CONFIRMED: _OTHER_AMOUNT_UNLESS_CANCELLING,
        OrderStatus.PROCESSING: _OTHER_AMOUNT_UNLESS_CANCELLING,
        OrderStatus.SHIPPED: _OTHER_AMOUNT,
        OrderStatus.COMPLETED: _OTHER_AMOUNT,
        OrderStatus.FAILED: _KEPT,
        OrderStatus.CANCELLED: _KEPT,
    },
)
_SHOWN_OTHERWISE: Final = "coalesce(o.refunded_minor, 0) <> coalesce(p.by_hand_minor, 0)"
_SHOWN_UNLESS_CANCELLING: Final = f"o.cancel_reason IS NULL AND ({_SHOWN_OTHERWISE})"
_SHOWN_TOO_MUCH: Final = "coalesce(o.refunded_minor, 0) > coalesce(p.by_hand_minor, 0)"
_REFUNDS_DIFFER: Final = decide(
    "o",
    {
        OrderStatus.PENDING: "o.refunded_minor IS NOT NULL",
        OrderStatus.CONFIRMED: _SHOWN_UNLESS_CANCELLING,
        OrderStatus.PROCESSING: _SHOWN_UNLESS_CANCELLING,
        OrderStatus.SHIPPED: _SHOWN_OTHERWISE,
        OrderStatus.COMPLETED: _SHOWN_OTHERWISE,
        OrderStatus.FAILED: _SHOWN_TOO_MUCH,
        OrderStatus.CANCELLED: _SHOWN_TOO_MUCH,
    },
)


async def nobody_is_charged_twice(snapshot: AuditSnapshot) -> Finding:
    """Check that the provider's own ledger has at most one capture under each reference."""
    return await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM charge_facts",
        violations="""
        SELECT reference AS subject, format('captured %s times', captures) AS what
        FROM charge_facts WHERE captures > 1
        """,
    )


async def ledger_and_payments_agree(snapshot: AuditSnapshot) -> Finding:
    """Check that the provider's ledger and the payments have the same amounts under each reference.

    A payment without a known outcome is judged by its age alone (rule `unfinished`).
    """
    return await snapshot.find(
        "orders",
        checked="""
        SELECT count(*)
        FROM payment_facts FULL JOIN charge_facts ON reference = provider_reference
        """,
        violations=f"""
        SELECT coalesce(c.reference, p.provider_reference) AS subject,
               format('payment: %s, %s %s captured, %s given back; '
                      'provider: %s, %s %s, %s given back',
                      coalesce(p.status, 'none'), p.captured_minor, p.currency, p.refunded_minor,
                      coalesce(c.status, 'nothing'), c.amount_minor, c.currency, c.refunded_minor)
                   AS what
        FROM payment_facts p FULL JOIN charge_facts c ON c.reference = p.provider_reference
        WHERE CASE
            WHEN p.status IS NULL THEN c.status = {_CAPTURED}
            ELSE {_LEDGER_DIFFERS}
        END
        """,
    )


async def money_fits_the_orders(snapshot: AuditSnapshot) -> Finding:
    """Check the money kept for each order.

    Confirmed or later: exactly the total is kept. Failed or cancelled, or no such order: nothing is
    kept. Refunds by hand of an order that stands are added to the kept amount before the
    comparison.
    """
    return await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM orders",
        violations=f"""
        SELECT coalesce(o.id::text, p.order_id) AS subject,
               format('the order is %s over %s %s; %s %s captured, %s given back, %s of it by hand',
                      coalesce(o.status, 'not there'), o.total_minor, o.currency,
                      coalesce(p.captured_minor, 0), p.currency,
                      coalesce(p.refunded_minor, 0), coalesce(p.by_hand_minor, 0)) AS what
        FROM orders o FULL JOIN payment_facts p ON p.order_id = o.id::text
        WHERE CASE
            WHEN o.id IS NULL THEN {_KEPT}
            ELSE {_MONEY_DIFFERS}
        END
        """,
    )


async def refunds_by_hand_are_shown(snapshot: AuditSnapshot) -> Finding:
    """Check that an order that stands shows the refunds by hand of its payment.

    Only refunds whose events had time to arrive are checked.

    An order that ended without success got the rest back as well. It may show less, if it ended
    before the event arrived.
    """
    return await snapshot.find(
        "orders",
        checked="SELECT count(*) FROM payment_facts WHERE by_hand_minor > 0",
        violations=f"""
        SELECT o.id::text AS subject,
               format('the order is %s and shows %s %s given back; %s by hand',
                      o.status, coalesce(o.refunded_minor, 0), o.currency,
                      coalesce(p.by_hand_minor, 0)) AS what
        FROM orders o LEFT JOIN payment_facts p ON p.order_id = o.id::text
        WHERE {_REFUNDS_DIFFER}
          AND coalesce(p.by_hand_at, 'epoch') < now() - make_interval(secs => $1)
        """,
        arguments=(snapshot.unfinished_after_seconds,),
    )
