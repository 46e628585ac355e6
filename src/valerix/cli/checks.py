"""`test`: everything that has to be right before a change is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from valerix.chassis.base.settings import inherited
from valerix.launcher.errors import LauncherError
from valerix.launcher.settings import REPOSITORY
from valerix.launcher.terminal import say

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}
PAGES: Final = "src/valerix/console/static"
LINT: Final = (
    ["ruff", "check"],
    ["ruff", "format", "--check"],
    ["oxlint", "--deny-warnings", PAGES],
    ["oxfmt", "--check", PAGES],
)
PROGRAMS: Final = {"oxlint", "oxfmt"}
"""Tools whose packages bring a program, not a module."""
TYPES: Final = ["mypy"]
FIND: Final = ["pytest", "-q", "--collect-only"]
CORES: Final = os.cpu_count() or 1


class Stage(NamedTuple):
    """Tests that run side by side. Workers were chosen by measurement on two cores (CONTRIBUTING.md)."""

    about: str
    selection: str
    """For `pytest -m`."""
    workers: int
    share_seconds: int
    """What it may take on two cores; when it takes longer, it names the tests that did."""


PARTS: Final = Stage("every test without a whole stack", "not stack", 3 * CORES, 170)
STACKS: Final = Stage("the proofs on whole stacks", "stack", CORES + 1, 440)
FAST: Final = (PARTS, STACKS)
FULL: Final = (PARTS, STACKS._replace(share_seconds=1200))


def run_checks(
    context: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Also what needs production time-outs or large counts, as CI does.")
    ] = False,
    no_skips: Annotated[
        bool, typer.Option("--no-skips", help="A skip that tests/skips.toml does not list fails the run.")
    ] = False,
) -> None:
    """Lint, types, tests: first those of the parts, then those on whole stacks.

    Anything else on the line goes to pytest, which then runs alone: `test tests/orders`, `test -k name`.
    """
    if not (REPOSITORY / "tests").is_dir():
        raise LauncherError("The tests are in the repository: run ./valerix test from a checkout")
    options = ["--no-skips"] if no_skips else []
    if context.args:
        _run(["pytest", *options, *context.args])
        return
    began, lines = time.monotonic(), []
    for command in LINT:
        _run(command)
    with _beside(FIND):  # compiles all tests, which each worker of the first stage would do otherwise
        _run(TYPES)
    lines.append(_line("lint and types", time.monotonic() - began))
    for stage in FULL if full else FAST:
        started = time.monotonic()
        _run(_pytest(stage, options, full=full), stage.about)
        lines.append(_line(stage.about, time.monotonic() - started))
    say("\n".join(["", *lines, _line("everything", time.monotonic() - began)]))
    if not full:
        say("Next: ./valerix test --full adds what needs production time-outs or large counts, as CI does")


def _pytest(stage: Stage, options: list[str], *, full: bool) -> list[str]:
    selection = stage.selection if full else f"{stage.selection} and not full"
    side_by_side = ["-n", str(stage.workers), "--dist", "loadscope", "--no-loadscope-reorder"]
    return ["pytest", "-q", *side_by_side, "-m", selection, "--share", str(stage.share_seconds), *options]


def _line(what: str, seconds: float) -> str:
    return f"{what:34} {int(seconds // 60):3}:{int(seconds % 60):02}"


def _run(command: list[str], about: str = "") -> None:
    say(f"--- {about or ' '.join(command)}", flush=True)
    done = subprocess.run(_command(command), cwd=REPOSITORY, env=_environment(), check=False)  # noqa: S603 - tools of ours
    if done.returncode:
        raise typer.Exit(done.returncode)


def _command(command: list[str]) -> list[str]:
    tool, *arguments = command
    program = [str(Path(sys.executable).with_name(tool))] if tool in PROGRAMS else [sys.executable, "-m", tool]
    return [*program, *arguments]


@contextmanager
def _beside(command: list[str]) -> Iterator[None]:
    """Run a command beside what is done within; its output is shown when it fails."""
    started = subprocess.Popen(  # noqa: S603 - a tool of ours
        _command(command),
        cwd=REPOSITORY,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield
    except BaseException:
        started.kill()
        raise
    finally:
        output, _ = started.communicate()
    if started.returncode:
        say(f"--- {' '.join(command)}\n{output}", flush=True)
        raise typer.Exit(started.returncode)


def _environment() -> dict[str, str]:
    """Ours, with bytecode written even if that is switched off: hundreds of processes would compile all of it anew."""
    return {name: value for name, value in inherited().items() if name != "PYTHONDONTWRITEBYTECODE"}
