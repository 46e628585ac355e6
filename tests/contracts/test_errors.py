"""How each error of a domain leaves over HTTP.

Its code, status, title and headers are data to clients.
"""

import importlib
import json
from typing import Final

import pytest

from tests.architecture.roles import ROLES, Role
from valerix.chassis.http import edge
from valerix.contracts.errors import DomainError, OrderNotFound

RECORDED: Final = """\
inventory insufficient_stock: 409 Insufficient stock
inventory no_warehouse: 409 There is no warehouse
inventory order_not_committable: 409 The order is not in the warehouse
inventory order_not_found: 404 No such order
inventory order_not_releasable: 409 The order has not ended
inventory order_not_reservable: 409 Stock cannot be reserved for the order
inventory other_lines: 422 The order has other lines
inventory product_exists: 409 The product exists already
inventory product_not_found: 404 No such product
inventory reservation_ended: 409 The reservation has ended
inventory reservation_not_found: 404 No such reservation
inventory unknown_product: 422 Unknown product
inventory unknown_warehouse: 422 Unknown warehouse
inventory warehouse_exists: 409 The warehouse exists already
inventory warehouse_not_found: 404 No such warehouse
notifications notification_not_found: 404 No such notification
notifications template_needs_more: 422 The template cannot be filled in
orders customer_bound: 429 The customer has too many undecided orders; retry-after: 60
orders customer_suspended: 422 The customer is suspended
orders illegal_transition: 409 Illegal status transition
orders insufficient_stock: 409 Insufficient stock
orders not_cancellable: 409 The order can no longer be cancelled
orders not_changeable: 409 The order cannot be changed now
orders not_chargeable: 422 The order cannot be charged
orders not_retriable: 409 There is nothing to retry
orders not_your_customer: 403 Not allowed
orders order_busy: 409 The order is being processed; retry-after: 1
orders order_cancelled: 409 The order was cancelled
orders order_ended: 409 The order ended without success
orders order_not_found: 404 No such order
orders payment_declined: 402 The payment was declined
orders price_changed: 409 The price has changed
orders staff_only: 403 Not allowed
orders total_differs: 409 The total differs
orders unknown_customer: 422 Unknown customer
orders unknown_product: 422 Unknown product
payments cancel_instead: 409 Cancel the order instead
payments charge_not_owed: 422 The order owes another charge
payments illegal_transition: 409 Illegal status transition
payments not_refundable: 409 There is nothing to refund
payments order_not_found: 404 No such order
payments order_not_payable: 409 The order cannot be paid now
payments order_not_refundable: 409 The order cannot be refunded now
payments payment_declined: 402 The payment was declined
payments payment_mismatch: 409 The order has another payment
payments payment_not_found: 404 No such payment
payments payment_voided: 409 The payment of this order was voided
payments refund_exceeds_captured: 422 The refund exceeds the payment
payments refund_rejected: 409 The provider refused the refund
psp charge_not_found: 404 No such charge
psp provider_fault: 500 The provider failed
psp reference_reused: 422 The reference belongs to another request
psp refund_exceeds_charge: 409 The refund exceeds the charge
psp too_many_requests: 429 Too many requests; retry-after: 1
users customer_not_found: 404 No such customer
users email_taken: 409 The e-mail address cannot be used
users last_administrator: 409 The last administrator must remain
users login_refused: 401 Sign-in refused; www-authenticate: Bearer realm="valerix"
users mail_token_refused: 422 The link is no longer valid
users own_account: 403 Not permitted on your own account
users password_needed: 403 The current password is needed
users refresh_refused: 401 The session has ended; \
www-authenticate: Bearer realm="valerix", error="invalid_token"
users refresh_superseded: 409 The session was renewed elsewhere
users session_not_found: 404 No such session
users user_not_found: 404 No such user
users wrong_password: 403 The password is wrong
"""


SHARED: Final[dict[type[DomainError], tuple[str, ...]]] = {
    OrderNotFound: ("inventory", "orders", "payments")
}
"""Errors of the contracts, and the services that raise them."""


def domain_errors() -> list[tuple[str, type[DomainError]]]:
    """Return each domain error with its service.

    The rule `domain_errors_know_no_http` keeps them in pure modules, each a direct subclass.
    """
    for name in ROLES[Role.PURE]:
        importlib.import_module(f"valerix.{name}")
    kinds = [
        kind for kind in DomainError.__subclasses__() if kind.__module__.startswith("valerix.")
    ]
    return [
        (service, kind)
        for kind in kinds
        for service in SHARED.get(kind, (kind.__module__.split(".")[1],))
    ]


def line_of(service: str, kind: type[DomainError]) -> str:
    """Return the edge's answer to such an error, with the table of the service."""
    error = kind.__new__(kind)
    DomainError.__init__(error, "why", member=1)
    edge.problem_types.update(importlib.import_module(f"valerix.{service}.schemas").PROBLEMS)
    answer = edge.problem_response(edge.to_problem(error))
    document = json.loads(answer.body)
    assert (document["status"], document["detail"], document["member"]) == (
        answer.status,
        "why",
        1,
    ), kind
    headers = "".join(f"; {name.decode()}: {value.decode()}" for name, value in answer.headers)
    return f"{service} {document['code']}: {answer.status} {document['title']}{headers}"


def test_every_error_of_a_domain_is_told_as_it_was_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(edge, "problem_types", {})
    assert sorted({line_of(*each) for each in domain_errors()}) == RECORDED.splitlines()
