"""What went wrong, for people: one line that says what happened, why, and what to do next."""

import sys
from collections.abc import Callable

import msgspec

from valerix.cli.output import print_json
from valerix.client import errors
from valerix.client.errors import FieldError
from valerix.client.models import Order

Command = Callable[[str], str]
"""Makes a command to paste, for the installation at hand."""

WHERE_TO_LOOK = {"order_not_found": "order list", "product_not_found": "stock"}


class Failure(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a program reads on stdout when a command with `--json` fails."""

    message: str
    status: int | None = None
    code: str | None = None
    trace_id: str | None = None
    errors: list[FieldError] = []
    order: Order | None = None
    idempotency_key: str | None = None


def report(error: errors.ValerixError, command: Command, *, as_json: bool) -> None:
    """Tell it on stderr; with `as_json` also as `{"error": …}` on stdout."""
    message = explain(error, command)
    print(message, file=sys.stderr)
    if as_json:
        print_json({"error": _failure(error, message)})


def _failure(error: errors.ValerixError, message: str) -> Failure:
    if not isinstance(error, errors.Refused):
        return Failure(message, idempotency_key=error.idempotency_key)
    return Failure(message, error.status, error.code, error.trace_id, error.errors, error.order, error.idempotency_key)


def explain(error: errors.ValerixError, command: Command) -> str:  # noqa: PLR0911 - one line per situation
    """What happened, why, and the next step, in one line."""
    match error:
        case errors.NotConnected():
            return f"Nobody answers at {error}: look with `{command('status')}`"
        case errors.NoAnswer():
            return f"The outcome is not known, {error}: {_repeat(error)}"
        case errors.Unauthenticated():
            return f"{error}: give a valid token with --url and --token, or VALERIX_URL and VALERIX_TOKEN"
        case errors.Forbidden():
            return f"{error}: give the token of somebody who may"
        case errors.Invalid() if error.errors:
            return "The request is not valid: " + "; ".join(f"{e.pointer} {e.message}" for e in error.errors)
        case errors.NotFound() if error.code in WHERE_TO_LOOK:
            return f"{error}: look with `{command(WHERE_TO_LOOK[error.code])}`"
        case errors.Refused(order=Order() as order):
            return f"{error}: {_about(order, command)}"
        case errors.TooManyRequests():
            return f"{error}: wait a moment, then {_repeat(error)}"
        case errors.ServerFailed(status=500):
            return f"{error}: `{command('logs')}` has it under trace {error.trace_id}"
        case errors.ServerFailed():
            return f"{error}: {_repeat(error)}"
        case _:
            return str(error)


def _about(order: Order, command: Command) -> str:
    """Where a refused order stands."""
    if order.status != "pending":
        return f"order {order.id} is {order.status}, see `{command(f'order show {order.id}')}`"
    if order.on_shortage == "backorder":
        return f"order {order.id} waits for new stock, see `{command(f'order show {order.id}')}`"
    return (
        f"order {order.id} is held, `{command(f'order retry {order.id}')}` once there is stock"
        f" or `{command(f'order cancel {order.id}')}`"
    )


def _repeat(error: errors.ValerixError) -> str:
    if error.idempotency_key is None:
        return "try again"
    return f"repeat the command with --key {error.idempotency_key}, which can have no second effect"
