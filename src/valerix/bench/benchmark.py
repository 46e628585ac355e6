"""A complete benchmark: a stack of its own, sustained turns, rounds of runs, audit, report."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg
from asyncpg.connection import Connection

from valerix.bench import (
    comparison,
    goals,
    machine,
    pages,
    peers,
    prefill,
    profiling,
    programs,
    report,
    results,
    turns,
)
from valerix.bench.ceiling import CLIENTS, SCRIPTS, Ceiling
from valerix.bench.measure import HOT_PATTERN, PACED, Bench, CellPlan
from valerix.bench.peers import PeerProgram
from valerix.bench.results import (
    CEILING,
    GATEWAY,
    SERVICE_PORT,
    SUSTAINED,
    Results,
    RunResult,
    name_of,
)
from valerix.bench.stack import BenchStack
from valerix.launcher.errors import LauncherError

CONNECTIONS: Final = (1, 8, 32, 128, 512)
HEADLINE: Final = turns.CONNECTIONS
TURN: Final = CellPlan(GATEWAY, HEADLINE, SUSTAINED)
CEILING_EVERY: Final = 3
"""Number of runs that share a ceiling.

The machine's speed drifts, so a ceiling is soon outdated.
"""
WARM_UP_SECONDS: Final = 4.0
IDLE_SECONDS: Final = 10.0
"""Duration of the idle measurement.

The kernel counts processor time in hundredths of a second, so a shorter one would miss the small
processes.
"""
QUICK_SECONDS: Final = 180.0
"""Time limit of a quick benchmark, from its start to the last line."""
RESERVED_SECONDS: Final = 30.0
"""Time that a quick benchmark reserves for audit, report and stop, and for a slower last turn."""
SCARCE_UNITS: Final = 1000
PACED_CONNECTIONS: Final = 64
PROFILE_SECONDS: Final = 15.0
SPACE_BYTES: Final = 6 * 10**9
"""Disk space of a benchmark without the orders made before it: mostly the write-ahead log."""


class BenchmarkPlan(NamedTuple):
    """The options of one benchmark."""

    command: str
    out: Path
    work_dir: Path | None
    quick: bool = False
    rounds: int = 5
    seconds: float = 8.0
    connections: Sequence[int] = CONNECTIONS
    replicas: dict[str, int] = {}  # noqa: RUF012 - never changed
    rows: int = 0
    peers: Path | None = None
    compare: Path | None = None
    profile: bool = False
    keep: bool = False

    @property
    def turn_seconds(self) -> float:
        return max(self.seconds, turns.LOAD_SECONDS)

    @property
    def drain_seconds(self) -> float:
        """Longest wait for the orders of a run to complete."""
        return 60.0 if self.quick else 180.0


Say = Callable[[str], None]


async def benchmark(plan: BenchmarkPlan, say: Say) -> Results:
    """Run the benchmark and write its report. Raises LauncherError.

    The stack is removed afterwards, unless `plan.keep`: then its data directory remains.
    """
    began = time.monotonic()
    programs.get("wrk")
    if plan.profile:
        programs.get_py_spy()
    baseline = results.read(plan.compare) if plan.compare else None
    folders = await peers.installed(plan.peers) if plan.peers else {}
    with _directory(plan) as data_dir:
        say(f"starting a stack in {data_dir}")
        async with AsyncExitStack() as opened:
            stack = await opened.enter_async_context(
                BenchStack.running(data_dir, plan.replicas, plan.rows, restart=not plan.quick)
            )
            server = await asyncpg.connect(stack.superuser_url)
            opened.push_async_callback(server.close)
            ceiling = Ceiling(stack.cluster.binaries / "pgbench", stack.libpq)
            await ceiling.make(stack.superuser_url)
            beside = (
                await opened.enter_async_context(peers.running(folders, stack.superuser_url))
                if folders
                else {}
            )
            version = str(
                await server.fetchval("SELECT 'PostgreSQL ' || current_setting('server_version')")
            )
            made = _begin(plan, stack, machine.describe(data_dir, version))
            bench = Bench(
                stack,
                server,
                ceiling,
                beside,
                cores=made.environment.cores,
                drain_seconds=plan.drain_seconds,
            )
            profiles: dict[str, list[tuple[str, float]]] = {}
            with reported(made, say):
                await _measure(plan, bench, beside, made, say, began)
                profiles = await _profile(plan, bench, server, say) if plan.profile else {}
            say("auditing")
            await stack.drained(plan.drain_seconds)
            with reported(made, say):
                made.audit = await stack.audit()
    made.goals = goals.judge(made)
    if baseline:
        made.notes += comparison.describe(comparison.compare(made, baseline))
    plan.out.mkdir(parents=True, exist_ok=True)
    results.write(made, plan.out / report.RESULTS)
    say(f"report in {report.write(made, plan.out, profiles)}")
    return made


@contextmanager
def reported(made: Results, say: Say) -> Iterator[None]:
    """Record a failure within as a note, so that the results before it are still reported."""
    try:
        yield
    except LauncherError as error:
        say(f"cut short: {error}")
        made.notes.append(f"Cut short: {error}")
        made.complete = False


@contextmanager
def _directory(plan: BenchmarkPlan) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="valerix-bench-", dir=plan.work_dir))
    folder.chmod(0o711)  # PostgreSQL may run as another account
    try:
        _check_space(folder, plan.rows)
        yield folder
    finally:
        if not plan.keep:
            shutil.rmtree(folder)


def _check_space(folder: Path, rows: int) -> None:
    """Raise LauncherError if the disk lacks space, now instead of an hour into the benchmark."""
    needed, free = SPACE_BYTES + rows * prefill.ORDER_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise LauncherError(
            f"{rows:,} orders and a benchmark need about {needed / 1e9:.0f} GB, "
            f"and {folder.parent} has {free / 1e9:.0f}. "
            "Choose fewer with --rows, or another disk with --work-dir."
        )


def _begin(plan: BenchmarkPlan, stack: BenchStack, environment: results.Environment) -> Results:
    return Results(
        made_at=datetime.now(UTC),
        command=plan.command,
        environment=environment,
        replicas=plan.replicas,
        rows=plan.rows,
        cold_start_seconds=stack.cold_start_seconds,
        warm_start_seconds=stack.warm_start_seconds,
    )


async def _measure(
    plan: BenchmarkPlan,
    bench: Bench,
    beside: dict[str, PeerProgram],
    made: Results,
    say: Say,
    began: float,
) -> None:
    made.idle_memory_mib = round(bench.stack.memory_mib(), 1)
    say("warming up")
    await bench.run(CellPlan(GATEWAY, HEADLINE), 0, WARM_UP_SECONDS)
    await bench.measure_idle(IDLE_SECONDS)
    made.idle_ms = bench.idle_ms
    say(turns.describe_idle(made.idle_ms))
    if plan.quick:
        await _quick_turns(plan, bench, made, say, began)
    else:
        await _rounds(plan, bench, beside, made, say)
        await _measure_once(plan, bench, made, say)
    made.memory_mib = round(bench.stack.memory_mib(), 1)


async def _quick_turns(
    plan: BenchmarkPlan, bench: Bench, made: Results, say: Say, began: float
) -> None:
    """Run turns with one ceiling between them, as many as the time limit allows."""
    ceiling = await _run(bench, CellPlan(CEILING, CLIENTS), 1, plan.seconds, made, say)
    await bench.stack.register(plan.rounds * bench.customers_for(TURN, plan.turn_seconds))
    for number in range(1, plan.rounds + 1):
        turn_began = time.monotonic()
        ceiling = await _turn(bench, number, plan, ceiling, made, say)
        now = time.monotonic()
        if (
            number < plan.rounds
            and now - began + (now - turn_began) + RESERVED_SECONDS > QUICK_SECONDS
        ):
            made.notes.append(f"Time for {number} of {plan.rounds} turns only.")
            break


async def _rounds(
    plan: BenchmarkPlan, bench: Bench, beside: dict[str, PeerProgram], made: Results, say: Say
) -> None:
    cells = _cells(plan, beside)
    for number in range(1, plan.rounds + 1):
        ceiling = await _run(bench, CellPlan(CEILING, CLIENTS), number, plan.seconds, made, say)
        await bench.stack.register(bench.customers_for(TURN, plan.turn_seconds))
        await _turn(bench, number, plan, ceiling, made, say)
        for cell in cells:
            await _run(bench, cell, number, plan.seconds, made, say)


async def _turn(
    bench: Bench, number: int, plan: BenchmarkPlan, before: RunResult, made: Results, say: Say
) -> RunResult:
    """Run a sustained turn and the ceiling after it; return that ceiling.

    `before`: the ceiling before it.
    """
    run = await bench.run(TURN, number, plan.turn_seconds)
    after = await _run(bench, CellPlan(CEILING, CLIENTS), number, plan.seconds, made, say)
    turn = turns.between_ceilings(run, before.orders_per_second, after.orders_per_second)
    _add(turn, made, say)
    made.turns = turns.summarise(made.runs)
    return after


async def _measure_once(plan: BenchmarkPlan, bench: Bench, made: Results, say: Say) -> None:
    """Run the measurements that depend on earlier results, and those that need no rounds."""
    saturated = made.find(name_of(GATEWAY, HEADLINE))
    if saturated is not None:
        cell = CellPlan(
            GATEWAY, PACED_CONNECTIONS, PACED, goals.SATURATION_SHARE * saturated.orders_per_second
        )
        for number in range(1, plan.rounds + 1):
            await _run(bench, cell, number, plan.seconds, made, say)
    sold = await bench.sell_out(SCARCE_UNITS, HEADLINE, plan.seconds)
    made.notes.append(f"A product with {SCARCE_UNITS} units: {sold}.")
    say("measuring lists and searches")
    made.pages = await asyncio.to_thread(
        pages.measure, bench.stack.gateway_port, bench.stack.operator_token()
    )


def _cells(plan: BenchmarkPlan, beside: dict[str, PeerProgram]) -> list[CellPlan]:
    """Return the cells of a round after its turn and ceiling, with a ceiling every few runs."""
    wanted = [
        *(
            CellPlan(system, connections)
            for connections in plan.connections
            for system in (GATEWAY, SERVICE_PORT)
        ),
        *(
            CellPlan(SERVICE_PORT, connections, HOT_PATTERN)
            for connections in plan.connections
            if connections >= 32
        ),
        *(CellPlan(peer, HEADLINE) for peer in beside),
    ]
    ceilings = [CellPlan(system, CLIENTS) for system in SCRIPTS if system != CEILING]
    groups = [
        wanted[place : place + CEILING_EVERY] for place in range(0, len(wanted), CEILING_EVERY)
    ]
    interleaved = [cell for group in groups for cell in (CellPlan(CEILING, CLIENTS), *group)]
    return interleaved[1:] + ceilings


async def _run(
    bench: Bench, cell: CellPlan, number: int, seconds: float, made: Results, say: Say
) -> RunResult:
    run = await bench.run(cell, number, seconds)
    _add(run, made, say)
    return run


def _add(run: RunResult, made: Results, say: Say) -> None:
    made.runs.append(run)
    made.cells = results.summarise(made.runs)
    sustained = "" if run.sustained_ratio is None else f"  sustained {run.sustained_ratio:.2f}"
    ratio = "" if run.ratio is None else f"  ratio {run.ratio:.2f}"
    placed = f"{run.round}  {run.cell:24} {run.orders_per_second:8.0f} orders/s"
    say(f"{placed}{sustained}{ratio}  p50 {run.latency.p50:.1f} ms")


async def _profile(
    plan: BenchmarkPlan, bench: Bench, server: Connection, say: Say
) -> dict[str, list[tuple[str, float]]]:
    say("profiling")
    folder = plan.out / "profile"
    folder.mkdir(parents=True, exist_ok=True)
    before = await profiling.statements(server)
    recording = asyncio.create_task(
        profiling.record(bench.stack.python_processes(), PROFILE_SECONDS, folder)
    )
    await bench.run(CellPlan(GATEWAY, HEADLINE), 0, PROFILE_SECONDS)
    profiles = {
        name: profiling.hottest(file.read_text()) for name, file in (await recording).items()
    }
    return {**profiles, "statements": profiling.slowest(before, await profiling.statements(server))}
