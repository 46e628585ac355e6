"""Explains failures to people: one line that says what happened, why, and what to do next."""

import sys

import msgspec

from valerix.cli.installation import Installation
from valerix.cli.order_ids import Ambiguous
from valerix.cli.output import minute, print_json
from valerix.client import errors
from valerix.client.errors import FieldError
from valerix.client.models import Order
from valerix.contracts.states import OrderStatus
from valerix.launcher.terminal import say

WHERE_TO_LOOK = {
    "order_not_found": "order list",
    "product_not_found": "stock",
    "dead_letter_not_found": "bus dead-letters",
}


class Failure(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Document on stdout for programs, when a command with `--json` fails."""

    message: str
    status: int | None = None
    code: str | None = None
    trace_id: str | None = None
    errors: list[FieldError] = []
    order: Order | None = None
    idempotency_key: str | None = None
    order_ids: list[str] = []
    """Ids of the orders that match an ambiguous short id."""


def report(error: errors.ValerixError, installation: Installation, *, as_json: bool) -> None:
    """Print the failure on stderr; with `as_json` also as `{"error": …}` on stdout."""
    message = explain(error, installation)
    say(message, file=sys.stderr)
    if as_json:
        print_json({"error": _failure(error, message)})


def _failure(error: errors.ValerixError, message: str) -> Failure:
    if isinstance(error, errors.StatusNotReached):
        return Failure(message, order=error.order)
    if isinstance(error, Ambiguous):
        return Failure(message, order_ids=[order.id for order in error.orders])
    if not isinstance(error, errors.Refused):
        return Failure(message, idempotency_key=error.idempotency_key)
    return Failure(
        message,
        error.status,
        error.code,
        error.trace_id,
        error.errors,
        error.order,
        error.idempotency_key,
    )


def explain(  # noqa: PLR0911 - one line per situation
    error: errors.ValerixError, installation: Installation
) -> str:
    """Return what happened, why, and the next step, in one line."""
    match error:
        case errors.NotConnected():
            return f"Nothing answers at {error}. {_unreachable(installation)}"
        case errors.NoAnswer():
            return f"The outcome is unknown: {error}. {_repeat(error)}"
        case errors.Unauthenticated():
            return f"{_not_signed_in(error, installation)}. Use --url with a valid --token"
        case errors.NotFound(code="chaos_disabled"):
            return str(error)
        case errors.Forbidden():
            return f"{error}. Use the token of an account with this permission"
        case errors.NotFound() if error.code in WHERE_TO_LOOK:
            return f"{error}. See `{installation.command(WHERE_TO_LOOK[error.code])}`"
        case errors.Invalid() if error.errors:
            return "The request is not valid. " + "; ".join(
                f"{e.pointer}: {e.message}" for e in error.errors
            )
        case errors.Refused(order=Order() as order):
            return f"{error}. {_about(order, installation)}"
        case errors.StatusNotReached(order=order):
            return f"{error}. See `{installation.command(f'order show {order.id}')}`"
        case errors.ServerFailed(status=500):
            return f"{error}. Search the logs for trace {error.trace_id}"
        case errors.ServerFailed() | errors.TooManyRequests():
            return f"{error}. {_repeat(error)}"
        case _:
            return str(error)


def _unreachable(installation: Installation) -> str:
    return (
        "Check the address"
        if installation.data_dir is None
        else f"See `{installation.command('status')}`"
    )


def _not_signed_in(error: errors.Unauthenticated, installation: Installation) -> str:
    if installation.data_dir is None:
        return "The access token is missing, wrong or has expired"
    return f"The stack's own login is no longer accepted ({error})"


def _about(order: Order, installation: Installation) -> str:
    """Return the status of a refused order, and the next step."""
    if order.status == OrderStatus.PENDING:
        return about_held(order, installation)
    show = installation.command(f"order show {order.id}")
    return f"Order {order.id} is {order.status}, see `{show}`"


def about_held(order: Order, installation: Installation) -> str:
    """Return what an order that is short of stock waits for, and until when."""
    until = f" until {minute(order.held_until)}" if order.held_until else ""
    if order.on_shortage == "backorder":
        show = installation.command(f"order show {order.id}")
        return f"Order {order.id} waits for new stock{until}, see `{show}`"
    retry, cancel = (
        installation.command(f"order {what} {order.id}") for what in ("retry", "cancel")
    )
    return f"Order {order.id} is held{until}: `{retry}` once there is stock, or `{cancel}`"


def _repeat(error: errors.ValerixError) -> str:
    if error.idempotency_key is None:
        return "Try again"
    return f"Repeat the command with --key {error.idempotency_key}: it cannot take effect twice"
