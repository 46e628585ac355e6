"""`test`: everything that has to be right before a change is."""

import subprocess
import sys
from typing import Annotated

import typer

from valerix.launcher.errors import LauncherError
from valerix.launcher.settings import REPOSITORY

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}
LINT = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])


def run_checks(
    context: typer.Context,
    no_skips: Annotated[bool, typer.Option("--no-skips", help="A test that is skipped fails the run.")] = False,
) -> None:
    """Lint, types, tests. Anything else on the line goes to pytest, which then runs alone: `test -k name`."""
    if not (REPOSITORY / "tests").is_dir():
        raise LauncherError("The tests are in the repository: run ./valerix test from a checkout")
    if not context.args:
        for command in LINT:
            _run(command)
    _run(["pytest", *(["--no-skips"] if no_skips else []), *context.args])


def _run(command: list[str]) -> None:
    print(f"--- {' '.join(command)}", flush=True)
    done = subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY, check=False)  # noqa: S603 - tools of ours
    if done.returncode:
        raise typer.Exit(done.returncode)
