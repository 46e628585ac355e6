"""The `valerix` command. Each command or group of commands is one line at the end of this file."""

import sys
from typing import Annotated, Final

import typer
from typer import rich_utils

from valerix import __version__
from valerix.cli import (
    audit,
    bench,
    bus,
    chaos,
    checks,
    data,
    keys,
    logs,
    orders,
    processes,
    service,
    status,
    stock,
)
from valerix.cli.load import command as load_command
from valerix.launcher.errors import LauncherError
from valerix.launcher.terminal import say

EXIT_STATUS: Final = (
    "Exit status: 0 done or accepted (also an order that is held);"
    " 1 refused, failed or outcome unknown; 2 wrong usage; 130 ended by Ctrl-C."
)
app = typer.Typer(
    name="valerix",
    help="Order management that keeps its word: no lost order, no oversell, no double charge.",
    epilog=EXIT_STATUS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"valerix {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that belong to no command in particular."""


app.command()(processes.up)
app.command()(processes.down)
app.command()(processes.reload)
app.command()(status.status)
app.command("logs")(logs.show_logs)
app.command()(service.serve)
app.command()(data.migrate)
app.command()(data.seed)
app.add_typer(orders.app, name="order")
app.add_typer(stock.app, name="stock")
app.add_typer(bus.app, name="bus")
app.add_typer(chaos.app, name="chaos")
app.command()(load_command.load)
app.add_typer(keys.app, name="keys")
app.command()(audit.audit)
app.command()(bench.bench)
app.command("test", context_settings=checks.CONTEXT)(checks.run_checks)


def main() -> None:
    """Run the command line.

    Errors that the user can fix take one line; only bugs show a traceback.
    """
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        # For help and usage, as cli.output.console does for results.
        rich_utils.FORCE_TERMINAL = False
    try:
        app(prog_name="valerix")
    except LauncherError as error:
        say(error, file=sys.stderr)
        sys.exit(1)
    except PermissionError as error:
        say(
            f"{error.filename}: permission denied. Run the command as the stack's owner",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
