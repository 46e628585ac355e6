"""The stored record of a saga run about an order, and the answer to its caller."""

from datetime import datetime
from typing import NamedTuple, assert_never

import msgspec

from valerix.chassis.base.idempotency import KeyInFlight, KeyReused
from valerix.chassis.base.problems import DomainProblem
from valerix.contracts.states import OrderStatus
from valerix.orders.decisions import CHANGED, DELAYED, Decision, SagaRun
from valerix.orders.errors import REFUSALS
from valerix.orders.order import Order
from valerix.orders.repository.driving import Finished
from valerix.orders.repository.placing import ExistingOrder
from valerix.orders.schemas import PROBLEMS, step_views, view

_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """The answer to a caller of "place".

    It holds the HTTP status that the outcome has for "place", and the body, byte for byte.
    """

    order_id: str
    status: int
    body: bytes
    replayed: bool = False


def conclude(run: SagaRun, trace_id: str, now: datetime) -> Finished:
    """Move the order as its run decided, and return the record to write about it."""
    order, decision = run.order, run.decision
    assert decision is not None  # noqa: S101 - only decided runs get here
    order.move(decision.status, now)
    order.error_code, order.error_message = decision.error_code, decision.error_message
    order.held_until = decision.held_until
    data = _encode(view(order)).decode()
    status, body = _definite(order, decision, trace_id)
    return Finished(
        order,
        decision.event,
        data,
        _encode(step_views(run.steps)).decode(),
        decision.due_in,
        trace_id,
        status,
        body,
    )


def _definite(order: Order, decision: Decision, trace_id: str) -> tuple[int | None, str | None]:
    """Return status and body of the first definite answer; (None, None) while there is none."""
    if decision.event in (DELAYED, CHANGED):
        return None, None
    match decision.status:
        case OrderStatus.CONFIRMED:
            return 201, None
        case OrderStatus.PROCESSING | OrderStatus.SHIPPED | OrderStatus.COMPLETED:
            return None, None  # the request was answered when the order was confirmed
        case OrderStatus.PENDING | OrderStatus.FAILED | OrderStatus.CANCELLED:
            return _refused(order, decision, trace_id)
        case _:
            assert_never(decision.status)


def _refused(order: Order, decision: Decision, trace_id: str) -> tuple[int, str]:
    refusal = REFUSALS[decision.error_code or ""]
    detail = (
        f"{decision.error_message}: {decision.detail}"
        if decision.detail
        else decision.error_message or ""
    )
    problem = DomainProblem(PROBLEMS[refusal], refusal.code, detail, {"order": view(order)})
    return problem.status, _encode(problem.document(trace_id)).decode()


def answer_finished(finished: Finished) -> Answer:
    """Build the answer from the record that was just written."""
    status = finished.answer_status or 202
    return Answer(finished.order.id, status, (finished.answer_body or finished.data).encode())


def answer_existing(known: ExistingOrder) -> Answer:
    """Build the answer from the order as the database holds it."""
    if known.answer_status is None or known.answer_body is None:
        return Answer(known.order.id, 202, _encode(view(known.order)))
    return Answer(known.order.id, known.answer_status, known.answer_body.encode())


def replay(fingerprint: bytes, known: ExistingOrder) -> Answer | Exception:
    """Return the answer to a repeated request: the answer to the first request.

    Returns KeyReused if the two requests differ, KeyInFlight if the first is not over.
    """
    if known.fingerprint != fingerprint:
        return KeyReused()
    answer = answer_existing(known)
    if answer.status == 202 and known.order.error_code is None:
        return KeyInFlight()
    return answer._replace(replayed=True, status=200 if answer.status == 201 else answer.status)
