"""Orders that a command names by a short form of their id."""

import sys
from itertools import islice
from typing import Final

import typer

from valerix.cli.output import moment, money
from valerix.client import Valerix, ValerixError
from valerix.client.models import Order
from valerix.contracts.ids import find_ids, is_id

LOOKED_AT: Final = 200
"""The search finds customers and products, too."""


class NoSuchOrder(ValerixError):
    """No id has this form."""


class Ambiguous(ValerixError):
    """`orders`: those that may be meant."""

    def __init__(self, text: str, orders: list[Order]) -> None:
        listed = (f"  {o.id}  {o.status:<10}  {o.customer_id}  {moment(o.created_at)}" for o in orders)
        super().__init__(
            "\n".join((f"{text} may mean {len(orders)} orders; give more digits of one of them:", *listed))
        )
        self.orders = orders


def full_id(valerix: Valerix, text: str) -> str:
    """The id of the order that `text` is, begins or ends. Raises NoSuchOrder, Ambiguous."""
    return text if is_id(text) else _find(valerix, text).id


def full_id_to_change(valerix: Valerix, text: str, change: str) -> str:
    """The same for a command that changes the order: a short form needs a reader who agrees to the order it means.

    `change`: the verb, for the question. Raises NoSuchOrder, Ambiguous, typer.BadParameter without a terminal.
    """
    if is_id(text):
        return text
    order = _find(valerix, text)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise typer.BadParameter(f"{text} is a short form: to {change} an order name it in full, as {order.id}")
    about = f"{order.status}, {order.customer_id}, {money(order.total)}"
    typer.confirm(f"{change.capitalize()} order {order.id} ({about})?", abort=True, err=True)
    return order.id


def _find(valerix: Valerix, text: str) -> Order:
    wanted = find_ids(text)
    found = [order for order in islice(valerix.orders.list(search=text), LOOKED_AT) if wanted.matches(order.id)]
    if not found:
        raise NoSuchOrder(f"There is no order whose id is {text}, or begins or ends with it")
    if len(found) > 1:
        raise Ambiguous(text, found)
    return found[0]
