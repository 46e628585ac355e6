"""`status`: the processes of a stack, their health and their memory."""

from datetime import UTC, datetime

import msgspec
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.output import console, print_json
from valerix.launcher.errors import LauncherError
from valerix.launcher.processes import family_bytes, memory_bytes
from valerix.launcher.state import Phase, ProcessState, StackState, read_state


class StatusRow(msgspec.Struct, rename="camel"):
    """One row of `status --json`."""

    name: str
    status: str
    health: str
    pid: int | None
    port: int
    restarts: int
    last_exit: int | None
    memory_bytes: int | None
    startup_seconds: float | None
    uptime_seconds: float | None


class StackReport(msgspec.Struct, rename="camel"):
    """Document of `status --json`. `phase` is `dead` if the launcher was killed."""

    phase: str
    data_dir: str
    launcher_pid: int | None
    ready_seconds: float | None
    memory_bytes: int
    error: str
    processes: list[StatusRow]


def status(data_dir: DataDir, as_json: JsonOutput = False) -> None:
    """Show the stack's processes, their health and their memory.

    Exit status 1 if the stack does not run.
    """
    state = read_state(data_dir.resolve())
    if state is None:
        raise LauncherError(f"No stack was ever started in {data_dir}: `./valerix up` starts one")
    report = _report(state)
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if not state.is_alive:
        raise typer.Exit(1)


def _report(state: StackState) -> StackReport:
    rows = [_row(process) for process in state.processes.values()]
    ended = state.phase in (Phase.STOPPED, Phase.FAILED)
    launcher = memory_bytes(state.launcher.pid) if state.is_alive else None
    return StackReport(
        phase=state.phase if state.is_alive or ended else "dead",
        data_dir=str(state.data_dir),
        launcher_pid=state.launcher.pid if state.is_alive else None,
        ready_seconds=state.ready_seconds,
        memory_bytes=sum(row.memory_bytes or 0 for row in rows) + (launcher or 0),
        error=state.error,
        processes=rows,
    )


def _row(process: ProcessState) -> StatusRow:
    identity = process.identity if process.identity and process.identity.is_alive() else None
    age = datetime.now(UTC) - process.started_at if identity and process.started_at else None
    return StatusRow(
        name=process.name,
        status=process.status if identity or process.identity is None else "dead",
        health=("ok" if process.healthy else "unhealthy") if identity else "-",
        pid=identity.pid if identity else None,
        port=process.port,
        restarts=process.restarts,
        last_exit=process.last_exit,
        memory_bytes=family_bytes(identity.pid) if identity else None,
        startup_seconds=process.startup_seconds,
        uptime_seconds=round(age.total_seconds(), 1) if age else None,
    )


def _print_report(report: StackReport) -> None:
    title = Text(f"{report.phase} in {report.data_dir}")
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for heading in ("process", "status", "health"):
        table.add_column(heading, no_wrap=True)
    for heading in ("pid", "port", "restarts", "MiB", "startup s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.processes:
        health = {"ok": "[green]ok[/]", "unhealthy": "[red]unhealthy[/]"}.get(
            row.health, row.health
        )
        table.add_row(row.name, row.status, health, *_figures(row))
    out = console(markup=True)
    out.print(table)
    total = (
        f"{report.memory_bytes / 2**20:.0f} MiB in all, "
        f"the launcher (process {report.launcher_pid}) included"
    )
    out.print(total if report.launcher_pid else "The launcher is not running.")
    if report.error:
        out.print(report.error, markup=False)


def _figures(row: StatusRow) -> list[str]:
    return [
        str(row.pid or "-"),
        str(row.port),
        f"{row.restarts} ({row.last_exit})" if row.restarts else "0",
        f"{row.memory_bytes / 2**20:.0f}" if row.memory_bytes else "-",
        f"{row.startup_seconds:.2f}" if row.startup_seconds is not None else "-",
    ]
