"""`order`: place, show, list, cancel and retry orders of a running stack."""

import itertools
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from valerix.cli.failures import about_held
from valerix.cli.installation import Installation
from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.order_ids import full_id, full_id_to_change
from valerix.cli.output import (
    console,
    id_text,
    minute,
    moment,
    money,
    one_line,
    print_json,
    status_text,
    table,
)
from valerix.cli.session import Key, Token, Url, find, talk
from valerix.cli.watching import keep_showing
from valerix.client.errors import InsufficientStock
from valerix.client.models import Address, Line, Order, OrderEvent, PlacedOrder
from valerix.contracts.states import FulfilmentStatus, OrderStatus
from valerix.launcher.terminal import say

app = typer.Typer(help="Place orders and follow them.", no_args_is_help=True)
OrderId = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the order, or its last 4 to 12 digits.")
]


class OnShortage(StrEnum):
    """What an order does if stock is short."""

    HOLD = "hold"
    BACKORDER = "backorder"
    REJECT = "reject"


def _address(text: str) -> Address:
    try:
        return msgspec.json.decode(text, type=Address)
    except msgspec.MsgspecError as error:
        raise typer.BadParameter(f"This is no address as the API takes it: {error}") from None


@app.command()
def place(
    context: typer.Context,
    items: Annotated[
        list[str], typer.Argument(metavar="PRODUCT[:QUANTITY]...", help="Products to order.")
    ],
    customer: Annotated[str, typer.Option(help="Number of the customer, e.g. CUST-001.")],
    data_dir: DataDir,
    payment_method: Annotated[
        str | None, typer.Option(help="E.g. visa; card_declined makes the payment fail.")
    ] = None,
    on_shortage: Annotated[
        OnShortage | None, typer.Option(help="What the order does if stock is short.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Wait until the order is completed; exit status 1 if it is not."
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds that --wait takes at most.")
    ] = 60.0,
    key: Key = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Place an order.

    Without --wait, the exit status is 0 also if it is accepted but not confirmed, or held.
    """
    wanted = _wanted(items)
    installation = find(context, data_dir, url, token)
    with talk(installation, as_json=as_json) as valerix:
        try:
            order = valerix.orders.place(
                customer,
                wanted,
                payment_method=payment_method,
                on_shortage=on_shortage.value if on_shortage else None,
                idempotency_key=key,
            )
        except InsufficientStock as refusal:
            order = _held(refusal)
        if wait:
            ended = valerix.orders.wait_until(
                order.id, {OrderStatus.COMPLETED}, timeout_seconds=timeout
            )
            order = PlacedOrder(**msgspec.structs.asdict(ended), replayed=order.replayed)
    _print_order(order, installation, as_json=as_json)


def _held(refusal: InsufficientStock) -> PlacedOrder:
    """Return the order of a refusal that holds it, as its `on_shortage` says.

    Raises `refusal` if it has ended.
    """
    if refusal.order is None or refusal.order.status != OrderStatus.PENDING:
        raise refusal
    return PlacedOrder(**msgspec.structs.asdict(refusal.order), replayed=False)


def _wanted(items: list[str]) -> dict[str, int]:
    """Return quantities by product; the quantities of a product named twice are added."""
    wanted: dict[str, int] = {}
    for item in items:
        product, colon, quantity = item.partition(":")
        if not product or (colon and not quantity.isdecimal()):
            raise typer.BadParameter(
                f"{item!r} is not PRODUCT or PRODUCT:QUANTITY, e.g. PROD-001:2"
            )
        wanted[product] = wanted.get(product, 0) + (int(quantity) if colon else 1)
    return wanted


@app.command()
def show(
    context: typer.Context,
    order_id: OrderId,
    data_dir: DataDir,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Show one order with its timeline."""
    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        order = valerix.orders.get(full_id(valerix, order_id))
        timeline = valerix.orders.timeline(order.id)
    if as_json:
        print_json(
            {
                **msgspec.to_builtins(order),
                "events": timeline.events,
                "nextCursor": timeline.next_cursor,
            }
        )
        return
    out = console()
    _print_head(out, order)
    out.print(f"version   {order.version}")
    _print_lines(out, order)
    _print_timeline(out, timeline.events)
    if timeline.next_cursor is not None:
        out.print(
            f"The timeline has more than these {len(timeline.events)} entries; "
            "the API has all of them."
        )


@app.command("list")
def list_orders(
    context: typer.Context,
    data_dir: DataDir,
    status: Annotated[
        str | None, typer.Option(help="Only orders with this status, e.g. pending.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="Only orders of this customer, e.g. CUST-001.")
    ] = None,
    product: Annotated[str | None, typer.Option(help="Only orders with this product.")] = None,
    search: Annotated[
        str | None,
        typer.Option(help="Digits of an id, name or e-mail address of a customer, a number."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of orders to show.")] = 20,
    everything: Annotated[
        bool, typer.Option("--all", help="Show all orders, without a limit.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh the list until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two refreshes.")] = 2.0,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """List orders, newest first.

    On a terminal only the last digits of ids are shown; other commands take them.
    """
    if watch and as_json:
        raise typer.BadParameter("Give either --watch or --json")
    most = None if everything else limit

    def look() -> tuple[list[Order], bool]:
        found = valerix.orders.list(
            status=status, customer_id=customer, product_id=product, search=search
        )
        orders = list(itertools.islice(found, None if most is None else most + 1))
        return orders[:most], most is not None and len(orders) > most

    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        if watch:
            keep_showing(lambda: _list(*look()), every)
        orders, more = look()
    if as_json:
        print_json({"items": orders})
    else:
        console().print(_list(orders, more))


def _list(orders: list[Order], more: bool) -> RenderableType:
    if not orders:
        return "There are no such orders."
    made = table(
        "id", "status", "customer", "total", "placed", "items", right=("total",), cut=("items",)
    )
    for order in orders:
        items = one_line(", ".join(f"{line.quantity}x {line.product_id}" for line in order.items))
        total, placed = money(order.total), minute(order.created_at)
        made.add_row(
            id_text(order.id), status_text(order.status), order.customer_id, total, placed, items
        )
    return (
        Group(made, f"There are more than these {len(orders)}: --limit N or --all shows them.")
        if more
        else made
    )


@app.command()
def cancel(
    context: typer.Context,
    order_id: OrderId,
    data_dir: DataDir,
    reason: Annotated[
        str | None, typer.Option(help="Why; recorded in the order's timeline.")
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Cancel an order: its stock is released and its payment returned."""
    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        order = valerix.orders.cancel(full_id_to_change(valerix, order_id, "cancel"), reason=reason)
    if as_json:
        print_json(order)
    elif order.status == OrderStatus.CANCELLED:
        say(f"Order {order.id} is cancelled.")
    else:
        say(
            f"Order {order.id} is {order.status} now; "
            "it will be cancelled as soon as a service it needs is available."
        )


@app.command()
def retry(
    context: typer.Context,
    order_id: OrderId,
    data_dir: DataDir,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Retry a pending order now, for instance one that is held for stock."""
    installation = find(context, data_dir, url, token)
    with talk(installation, as_json=as_json) as valerix:
        order = valerix.orders.retry(full_id_to_change(valerix, order_id, "retry"))
    _print_order(order, installation, as_json=as_json)


@app.command()
def change(
    context: typer.Context,
    order_id: OrderId,
    data_dir: DataDir,
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PRODUCT[:QUANTITY]]...", help="Products that replace all former ones."
        ),
    ] = None,
    address: Annotated[
        Address | None,
        typer.Option(
            parser=_address, metavar="JSON", help="Name, street, city, country …, as in the API."
        ),
    ] = None,
    status: Annotated[
        FulfilmentStatus | None,
        typer.Option(help="Status in the warehouse to move the order to; for staff."),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(help="Refuse the change if the order has changed since this version."),
    ] = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Change a held order's products, the address before it ships, or its warehouse status."""
    if not items and address is None and status is None:
        raise typer.BadParameter("Name what to change: products, --address or --status")
    installation = find(context, data_dir, url, token)
    with talk(installation, as_json=as_json) as valerix:
        order = valerix.orders.change(
            full_id_to_change(valerix, order_id, "change"),
            items=_wanted(items) if items else None,
            shipping_address=address,
            status=status,
            version=version,
        )
    _print_order(order, installation, as_json=as_json)


# --- presentation of an order


def _print_order(order: Order, installation: Installation, *, as_json: bool) -> None:
    if as_json:
        print_json(order)
        return
    out = console()
    _print_head(out, order)
    _print_lines(out, order)
    if isinstance(order, PlacedOrder) and order.replayed:
        out.print(
            "This key was used before: this is the order placed then, with the answer given then."
        )
    if order.error_code == "insufficient_stock":
        out.print(f"{about_held(order, installation)}.", soft_wrap=True)
        return
    if order.status == OrderStatus.PENDING:
        out.print(
            "It is accepted and cannot get lost; it will be confirmed as soon as that is possible."
        )
    out.print(f"Next: {installation.command(f'order show {order.id}')}", soft_wrap=True)


def _print_head(out: Console, order: Order) -> None:
    facts = {
        "order": order.id,
        "status": order.status,
        "reason": order.error_message,
        "held": f"until {moment(order.held_until)}, then it is cancelled"
        if order.held_until
        else None,
        "customer": order.customer_id,
        "payment": f"{order.payment_id or 'none yet'} ({order.payment_method})",
        "placed": moment(order.created_at),
        "refunded": money(order.refunded) if order.refunded else None,
    }
    for name, value in facts.items():
        if value is not None:
            out.print(f"{name:<9}", status_text(value), soft_wrap=True)


def _print_lines(out: Console, order: Order) -> None:
    numbers = ("quantity", "unit price", "total")
    made = table("product", "name", *numbers, right=numbers, cut=("name",))
    for line in order.items:
        made.add_row(*_line_cells(line))
    made.add_section()
    made.add_row("total", "", "", "", money(order.total))
    out.print("", made, "", sep="\n")


def _line_cells(line: Line) -> list[str | Text]:
    name = one_line(line.product_name or "-")
    return [
        line.product_id,
        name,
        str(line.quantity),
        money(line.unit_price),
        money(line.line_total),
    ]


def _print_timeline(out: Console, events: list[OrderEvent]) -> None:
    made = table("after", "what happened", "outcome", "ms", "detail", right=("after", "ms"))
    start = events[0].occurred_at
    for event in events:
        for step in event.steps:
            tries = f" (attempt {step.attempt})" if step.attempt > 1 else ""
            took = f"{step.duration_ms:.1f}"
            made.add_row(
                _after(start, step.started_at),
                f"  {step.name}{tries}",
                step.outcome,
                took,
                step.detail or "",
            )
        made.add_row(_after(start, event.occurred_at), event.type, event.status, "", _detail(event))
    out.print(made, "", sep="\n")
    out.print(
        f"trace {', '.join(dict.fromkeys(event.trace_id for event in events))}", soft_wrap=True
    )


def _detail(event: OrderEvent) -> str:
    if event.refund:
        return f"{money(event.refund.amount)}: {event.refund.reason}"
    facts = (
        event.error_message,
        f"until {moment(event.held_until)}" if event.held_until else None,
        "there was nothing to undo" if event.nothing_to_undo else None,
    )
    return "; ".join(fact for fact in facts if fact)


def _after(start: datetime, at: datetime) -> str:
    return f"{max(0.0, (at - start).total_seconds()):.3f} s"
