"""`logs`: shows the output of the processes."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from valerix.cli.options import DataDir
from valerix.launcher import logs
from valerix.launcher.errors import LauncherError
from valerix.launcher.logs import Terminal


def show_logs(
    data_dir: DataDir,
    process: Annotated[str | None, typer.Argument(help="One process; all if left out.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show new output until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", help="Last lines of each process.", min=0)
    ] = 50,
) -> None:
    """Show the output of the processes: `logs`, `logs orders -f`."""
    files = _log_files(data_dir.resolve(), process)
    terminal = Terminal(list(files), sys.stdout)
    for name, file in files.items():
        for line in logs.last_lines(file, lines):
            terminal.line(name, line)
    if follow:
        for name, output in logs.follow(files):
            terminal.write(name, output)


def _log_files(data_dir: Path, process: str | None) -> dict[str, Path]:
    files = {file.stem: file for file in sorted((data_dir / "logs").glob("*.log"))}
    if process is None and files:
        return {name: file for name, file in files.items() if name != "access"}
    if process not in files:
        known = f"there are: {', '.join(files)}" if files else "no stack was ever started there"
        raise LauncherError(f"No log of {process or 'anything'} in {data_dir}; {known}")
    return {process: files[process]}
