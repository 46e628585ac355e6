"""`bench`: measures how fast a whole stack is, compared with what its database alone can do."""

import asyncio
import shlex
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from valerix.bench import goals, turns
from valerix.bench.benchmark import CONNECTIONS, BenchmarkPlan, benchmark
from valerix.bench.results import Results
from valerix.cli.options import JsonOutput
from valerix.cli.output import console, print_json, table
from valerix.cli.processes import counts
from valerix.launcher.errors import LauncherError
from valerix.launcher.ports import check_replicas
from valerix.launcher.terminal import say

QUICK_ROUNDS, QUICK_SECONDS = 2, 4.0
MARKS = {True: "met", False: "missed", None: ""}


def bench(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Measure only the two ratios; takes at most three minutes."),
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="Runs of each cell; medians are shown. Default 5, with --quick 2.", min=1
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Length of each run. Default 8, with --quick 4. "
            "A sustained turn takes 30 or more.",
            min=1,
        ),
    ] = None,
    connections: Annotated[
        str, typer.Option(help="Numbers of connections to measure with, separated by commas.")
    ] = ",".join(map(str, CONNECTIONS)),
    replicas: Annotated[
        list[str] | None,
        typer.Option(help="NAME=COUNT: copies of a service, e.g. orders=2; repeatable."),
    ] = None,
    rows: Annotated[
        int, typer.Option(help="Orders in the tables before the first measurement.", min=0)
    ] = 0,
    peers: Annotated[
        Path | None,
        typer.Option(
            help="Folder with node-classic and node-tuned, to measure for comparison.", exists=True
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report and results. Default bench-results/TIME.")
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            help="results.json of an earlier benchmark to compare with.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Sample every service with py-spy.")
    ] = False,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the stack's data, on the disk to be measured.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the stack's data directory.")] = False,
    as_json: JsonOutput = False,
) -> None:
    """Measure a stack started for this purpose, in turns with pgbench on the same database server.

    Exit status 1 if the benchmark is interrupted or the audit fails.
    """
    wanted = counts(replicas or [])
    check_replicas(wanted)
    plan = BenchmarkPlan(
        command=shlex.join(["valerix", *sys.argv[1:]]),
        out=out or Path("bench-results") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}",
        work_dir=work_dir,
        quick=quick,
        rounds=rounds or (QUICK_ROUNDS if quick else 5),
        seconds=seconds or (QUICK_SECONDS if quick else 8.0),
        connections=_numbers(connections),
        replicas=wanted,
        rows=rows,
        peers=peers,
        compare=compare,
        profile=profile,
        keep=keep,
    )
    # So that it stops its stack when a timeout ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = asyncio.run(benchmark(plan, _say_on_stderr if as_json else _say))
    if as_json:
        print_json(results)
    else:
        _print(results)
    if not (results.complete and results.audit and results.audit.sound):
        raise typer.Exit(1)


def _say(line: str) -> None:
    say(line, flush=True)


def _say_on_stderr(line: str) -> None:
    say(line, file=sys.stderr, flush=True)


def _numbers(text: str) -> list[int]:
    if not all(part.isdigit() and int(part) for part in text.split(",")):
        raise LauncherError(
            f"--connections {text}: write it as numbers with commas, for example 1,32,128"
        )
    return [int(part) for part in text.split(",")]


def _print(results: Results) -> None:
    if results.turns:
        _print_turns(results)
    made = table("goal", "what", "wanted", "measured", "", right=("measured",))
    for goal in results.goals:
        if goal.met is not None:
            made.add_row(goal.number, goal.what, goal.wanted, goal.measured, MARKS[goal.met])
    console().print(made)
    for note in results.notes:
        say(note)
    if results.audit is not None:
        rules = ", ".join(verdict.says for verdict in results.audit.verdicts if not verdict.holds)
        say("audit: sound" if results.audit.sound else f"audit: NOT sound ({rules})")
    for name, ratio in (
        ("ceiling", goals.ceiling_ratio(results)),
        ("sustained", goals.sustained_ratio(results)),
    ):
        say(f"{name} ratio {ratio:.2f}" if ratio is not None else f"{name} ratio not measured")


def _print_turns(results: Results) -> None:
    headings, *rows = turns.table(results.runs, results.turns)
    made = table(*headings, right=tuple(headings))
    for row in rows:
        made.add_row(*row)
    console().print(made)
    say(turns.describe_idle(results.idle_ms))
