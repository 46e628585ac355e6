"""`audit`: checks every invariant against the databases and the payment provider's own ledger."""

import asyncio
from typing import Annotated, Final

import asyncpg
import typer

from valerix.audit.inspection import UNFINISHED_AFTER_SECONDS, AuditReport, Verdict, inspect
from valerix.audit.sources import of_stack
from valerix.chassis.calls.client import CallFailed
from valerix.cli.installation import data_dir_option, running_stack
from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.output import console, print_json, table
from valerix.launcher.errors import LauncherError
from valerix.launcher.state import StackState
from valerix.launcher.terminal import say

SHOWN: Final = 10
"""Violations printed per rule; `--json` has more of them."""
LOST: Final = frozenset({"delivery", "notifications"})
"""Rules whose violations a replay of events repairs."""


def audit(
    data_dir: DataDir,
    unfinished_after: Annotated[
        float,
        typer.Option(
            help="Seconds after which unfinished work counts as stuck; "
            "four times as long for events.",
            min=0,
        ),
    ] = UNFINISHED_AFTER_SECONDS,
    as_json: JsonOutput = False,
) -> None:
    """Reconcile every order, unit of stock and charge of a running stack.

    Exit status 1 on any violation.
    """
    report = _inspect(running_stack(data_dir), unfinished_after)
    if as_json:
        print_json(report)
    else:
        print_report(report)
        _print_next(report, data_dir_option(data_dir.resolve()))
    if not report.sound:
        raise typer.Exit(1)


def _inspect(state: StackState, unfinished_after: float) -> AuditReport:
    try:
        return asyncio.run(inspect(of_stack(state), unfinished_after_seconds=unfinished_after))
    except (OSError, asyncpg.PostgresError, CallFailed) as error:
        raise LauncherError(f"The data cannot be read: {error}") from None


def print_report(report: AuditReport) -> None:
    """Print a line for each rule, then the violations."""
    made = table("", "rule", "value", "checked", right=("value", "checked"))
    for verdict in report.verdicts:
        made.add_row(_mark(verdict), verdict.says, str(verdict.value), f"{verdict.checked:,}")
    console().print(made)
    for verdict in report.verdicts:
        _print_violations(verdict)
    result = "Sound" if report.sound else "NOT sound"
    say(f"{result}, {len(report.verdicts)} rules in {report.seconds:.1f} s.")


def _print_violations(verdict: Verdict) -> None:
    if not verdict.value:
        return
    say(f"{verdict.says}:")
    for violation in verdict.violations[:SHOWN]:
        say(f"  {violation.subject}: {violation.what}")
    if verdict.value > SHOWN:
        say(f"  … and {verdict.value - SHOWN} more")


def _print_next(report: AuditReport, option: str) -> None:
    if any(verdict.value for verdict in report.verdicts if verdict.rule in LOST):
        say(
            f"Next: `./valerix bus replay --since 1d{option}` publishes lost events again; "
            "each takes effect once."
        )


def _mark(verdict: Verdict) -> str:
    if not verdict.value:
        return "ok"
    return "VIOLATED" if verdict.binding else "listed"
