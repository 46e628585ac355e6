"""`stock`: shows stock, and corrects it by hand."""

import itertools
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from valerix.cli.default_command import DefaultCommand
from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.output import console, id_text, moment, one_line, print_json, table
from valerix.cli.session import Key, Token, Url, find, talk
from valerix.client.models import InventoryItem, Movement
from valerix.launcher.terminal import say

LATEST_MOVEMENTS: Final = 10
FIGURES: Final = ("on hand", "reserved", "available")


class ShowByDefault(DefaultCommand):
    """Makes `stock`, `stock PROD-001` and `stock --low` mean `stock show …`."""

    default = "show"


app = typer.Typer(help="Show stock, and correct it.", cls=ShowByDefault)


@app.command()
def show(
    context: typer.Context,
    data_dir: DataDir,
    sku: Annotated[
        str | None, typer.Argument(help="One product, with its warehouses and latest movements.")
    ] = None,
    low: Annotated[
        bool, typer.Option("--low", help="Only products at or below their low-stock threshold.")
    ] = False,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Show the stock of every product, or of one. `stock` alone means this."""
    if sku is not None and low:
        raise typer.BadParameter("Give either a product or --low")
    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        if sku is None:
            items = list(valerix.inventory.list(low_stock=low))
            _print_items(items, as_json=as_json)
        else:
            item = valerix.inventory.get(sku)
            movements = list(itertools.islice(valerix.inventory.movements(sku), LATEST_MOVEMENTS))
            _print_one(item, movements, as_json=as_json)


@app.command()
def adjust(
    context: typer.Context,
    sku: Annotated[str, typer.Argument(help="The product.")],
    warehouse: Annotated[str, typer.Option(help="The warehouse, e.g. WH-EAST.")],
    by: Annotated[int, typer.Option(help="Units to add: 5 for found, -2 for broken.")],
    reason: Annotated[str, typer.Option(help="Why; recorded with the movement.")],
    data_dir: DataDir,
    key: Key = None,
    url: Url = None,
    token: Token = None,
    as_json: JsonOutput = False,
) -> None:
    """Correct the stock of a product in one warehouse."""
    with talk(find(context, data_dir, url, token), as_json=as_json) as valerix:
        done = valerix.inventory.adjust(sku, warehouse, by, reason=reason, idempotency_key=key)
    if as_json:
        print_json(done)
        return
    before = " (this key was used before, so nothing was changed now)" if done.idempotent else ""
    say(
        f"{done.product_id} in {done.warehouse_id}: {done.on_hand} on hand,"
        f" {done.reserved} reserved, {done.available} available{before}"
    )


def _print_items(items: list[InventoryItem], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": items})
        return
    made = table(
        "product", "name", *FIGURES, "threshold", "", right=(*FIGURES, "threshold"), cut=("name",)
    )
    for item in items:
        made.add_row(
            item.product_id,
            one_line(item.name),
            *_figures(item),
            str(item.low_stock_threshold),
            _mark(item),
        )
    console().print(made if items else "There are no such products.")


def _print_one(item: InventoryItem, movements: list[Movement], *, as_json: bool) -> None:
    if as_json:
        print_json({**msgspec.to_builtins(item), "movements": movements})
        return
    out = console()
    out.print(f"{item.product_id}  {item.name}  (low at {item.low_stock_threshold})", _mark(item))
    out.print("", _warehouse_table(item), "", sep="\n")
    _print_movements(out, movements)


def _warehouse_table(item: InventoryItem) -> Table:
    made = table("warehouse", *FIGURES, right=FIGURES)
    for place in item.warehouses:
        made.add_row(
            place.warehouse_id, str(place.on_hand), str(place.reserved), str(place.available)
        )
    made.add_section()
    made.add_row("total", *_figures(item))
    return made


def _print_movements(out: Console, movements: list[Movement]) -> None:
    changes = ("on hand", "reserved")
    made = table(
        "when",
        "warehouse",
        "what",
        *changes,
        "order, reason",
        right=changes,
        cut=("order, reason",),
    )
    for movement in movements:
        made.add_row(
            moment(movement.occurred_at),
            movement.warehouse_id,
            movement.kind,
            f"{movement.on_hand_delta:+} = {movement.on_hand_after}",
            f"{movement.reserved_delta:+} = {movement.reserved_after}",
            one_line(", ".join(_cause(movement))),
        )
    out.print("Latest movements")
    out.print(made)


def _cause(movement: Movement) -> list[str]:
    order = [id_text(movement.order_id)] if movement.order_id else []
    return order + ([movement.reason] if movement.reason else [])


def _figures(item: InventoryItem) -> list[str]:
    return [str(item.on_hand), str(item.reserved), str(item.available)]


def _mark(item: InventoryItem) -> Text:
    return Text("low", "red") if item.low_stock else Text("")
