"""Resolves short forms of order ids."""

import sys
from itertools import islice
from typing import Final

import typer

from valerix.cli.output import moment, money
from valerix.client import Valerix, ValerixError
from valerix.client.models import Order
from valerix.contracts.ids import find_ids, is_id

SEARCH_LIMIT: Final = 200
"""Results of the search to compare with the short form.

The search finds customers and products, too.
"""


class NoSuchOrder(ValerixError):
    """No order's id matches the short form."""


class Ambiguous(ValerixError):
    """The short form matches several orders: `orders`."""

    def __init__(self, text: str, orders: list[Order]) -> None:
        listed = (
            f"  {o.id}  {o.status:<10}  {o.customer_id}  {moment(o.created_at)}" for o in orders
        )
        super().__init__(
            "\n".join(
                (f"{text} matches {len(orders)} orders; give more digits of one of them:", *listed)
            )
        )
        self.orders = orders


def full_id(valerix: Valerix, text: str) -> str:
    """Return the id of the order whose id is `text`, or begins or ends with it.

    Raises NoSuchOrder, Ambiguous.
    """
    return text if is_id(text) else _find(valerix, text).id


def full_id_to_change(valerix: Valerix, text: str, change: str) -> str:
    """Return the full id for a command that changes the order.

    A short form is confirmed at the terminal.

    `change`: the verb, for the question. Raises NoSuchOrder, Ambiguous, and typer.BadParameter for
    a short form without a terminal.
    """
    if is_id(text):
        return text
    order = _find(valerix, text)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter(
            f"{text} is a short form: to {change} an order name it in full, as {order.id}"
        )
    about = f"{order.status}, {order.customer_id}, {money(order.total)}"
    typer.confirm(f"{change.capitalize()} order {order.id} ({about})?", abort=True, err=True)
    return order.id


def _find(valerix: Valerix, text: str) -> Order:
    wanted = find_ids(text)
    found = [
        order
        for order in islice(valerix.orders.list(search=text), SEARCH_LIMIT)
        if wanted.matches(order.id)
    ]
    if not found:
        raise NoSuchOrder(f"There is no order whose id is {text}, or begins or ends with it")
    if len(found) > 1:
        raise Ambiguous(text, found)
    return found[0]
