"""`test`: all checks that must pass before a change is accepted."""

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
FIND: Final = ["pytest", "-q", "--collect-only"]
CORES: Final = os.cpu_count() or 1
TYPES: Final = ["mypy", "--num-workers", str(CORES)]


class Stage(NamedTuple):
    """Tests that run side by side.

    The numbers of workers were measured on two cores (CONTRIBUTING.md).
    """

    about: str
    selection: str
    """Marker expression for `pytest -m`."""
    workers: int
    share_seconds: int
    """Time the stage may take on two cores.

    A stage that exceeds it names the tests that took longer.
    """


PARTS: Final = Stage("every test without a whole stack", "not stack", 3 * CORES, 170)
STACKS: Final = Stage("the proofs on whole stacks", "stack", CORES + 1, 440)
FAST: Final = (PARTS, STACKS)
FULL: Final = (PARTS, STACKS._replace(share_seconds=1200))


def run_checks(
    context: typer.Context,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Also tests that need production timeouts or large counts, as CI does."
        ),
    ] = False,
    no_skips: Annotated[
        bool,
        typer.Option(
            "--no-skips", help="A skip that tests/skips.toml does not list fails the run."
        ),
    ] = False,
) -> None:
    """Run lint, types and tests: first the tests of parts, then those on whole stacks.

    Further arguments go to pytest, which then runs alone: `test tests/orders`, `test -k name`.
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
    with _beside(FIND):  # compiles all tests once; otherwise each worker of the first stage would
        _run(TYPES)
    lines.append(_line("lint and types", time.monotonic() - began))
    for stage in FULL if full else FAST:
        started = time.monotonic()
        _run(_pytest(stage, options, full=full), stage.about)
        lines.append(_line(stage.about, time.monotonic() - started))
    say("\n".join(["", *lines, _line("everything", time.monotonic() - began)]))
    if not full:
        say(
            "Next: ./valerix test --full adds what needs production time-outs or large counts, "
            "as CI does"
        )


def _pytest(stage: Stage, options: list[str], *, full: bool) -> list[str]:
    selection = stage.selection if full else f"{stage.selection} and not full"
    side_by_side = ["-n", str(stage.workers), "--dist", "loadscope", "--no-loadscope-reorder"]
    return [
        "pytest",
        "-q",
        *side_by_side,
        "-m",
        selection,
        "--share",
        str(stage.share_seconds),
        *options,
    ]


def _line(what: str, seconds: float) -> str:
    return f"{what:34} {int(seconds // 60):3}:{int(seconds % 60):02}"


def _run(command: list[str], about: str = "") -> None:
    say(f"--- {about or ' '.join(command)}", flush=True)
    done = subprocess.run(  # noqa: S603 - tools of ours
        _command(command), cwd=REPOSITORY, env=_environment(), check=False
    )
    if done.returncode:
        raise typer.Exit(done.returncode)


def _command(command: list[str]) -> list[str]:
    tool, *arguments = command
    program = (
        [str(Path(sys.executable).with_name(tool))]
        if tool in PROGRAMS
        else [sys.executable, "-m", tool]
    )
    return [*program, *arguments]


@contextmanager
def _beside(command: list[str]) -> Iterator[None]:
    """Run a command in parallel with the block; print its output if it fails."""
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
    """Return this process's environment, with bytecode caching always on.

    Without the cache, hundreds of processes would compile all modules again.
    """
    return {name: value for name, value in inherited().items() if name != "PYTHONDONTWRITEBYTECODE"}
