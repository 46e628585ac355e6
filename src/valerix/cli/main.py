"""The `valerix` command. A group of commands is one line at the end of this file."""

import sys

import typer
from typer import rich_utils

from valerix.cli import audit, bench, bus, chaos, checks, data, keys, logs, orders, processes, service, status, stock
from valerix.cli.load import command as load_command
from valerix.launcher.errors import LauncherError
from valerix.launcher.terminal import say

app = typer.Typer(
    name="valerix",
    help="Order management that keeps its word: no lost order, no oversell, no double charge.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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
    """One line for what the user can mend, a traceback only for our own mistakes."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        rich_utils.FORCE_TERMINAL = False  # as cli.output.console, for help and usage
    try:
        app(prog_name="valerix")
    except LauncherError as error:
        say(error, file=sys.stderr)
        sys.exit(1)
    except PermissionError as error:
        say(f"{error.filename}: permission denied; the stack's owner may", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
