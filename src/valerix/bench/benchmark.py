"""A whole benchmark: a stack of its own, rounds of interleaved runs, the audit, the report."""

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

from valerix.bench import comparison, goals, machine, pages, peers, prefill, profiling, programs, report, results
from valerix.bench.ceiling import CLIENTS, SCRIPTS, Ceiling
from valerix.bench.measure import HOT_PATTERN, PACED, Bench, CellPlan
from valerix.bench.peers import PeerProgram
from valerix.bench.results import CEILING, DOOR, GATEWAY, Results, name_of
from valerix.bench.stack import BenchStack
from valerix.launcher.errors import LauncherError

CONNECTIONS: Final = (1, 8, 32, 128, 512)
HEADLINE: Final = 128
CEILING_EVERY: Final = 3
"""Runs that share a ceiling: the machine drifts."""
WARM_UP_SECONDS: Final = 4.0
QUICK_SECONDS: Final = 110.0
"""No round of a quick benchmark begins later than this."""
SCARCE_UNITS: Final = 1000
PACED_CONNECTIONS: Final = 64
PROFILE_SECONDS: Final = 15.0
SPACE_BYTES: Final = 6 * 10**9
"""What a benchmark writes beside the orders that were there before: mostly the log."""


class BenchmarkPlan(NamedTuple):
    """What was asked for."""

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
    def drain_seconds(self) -> float:
        return 15.0 if self.quick else 180.0


Say = Callable[[str], None]


async def benchmark(plan: BenchmarkPlan, say: Say) -> Results:
    """Raises LauncherError. The stack is gone afterwards, unless it is to be kept (stopped)."""
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
            beside = await opened.enter_async_context(peers.running(folders, stack.superuser_url)) if folders else {}
            version = str(await server.fetchval("SELECT 'PostgreSQL ' || current_setting('server_version')"))
            made = _begin(plan, stack, machine.describe(data_dir, version))
            bench = Bench(
                stack, server, ceiling, beside, cores=made.environment.cores, drain_seconds=plan.drain_seconds
            )
            profiles: dict[str, list[tuple[str, float]]] = {}
            with reported(made, say):
                await _measure(plan, bench, beside, made, say)
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
    """What was measured until something failed is worth its report."""
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
    """Raises LauncherError. Rather now than after an hour."""
    needed, free = SPACE_BYTES + rows * prefill.ORDER_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise LauncherError(
            f"{rows:,} orders and a benchmark need about {needed / 1e9:.0f} GB, and {folder.parent} has "
            f"{free / 1e9:.0f}. Choose fewer with --rows, or another disk with --work-dir."
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


async def _measure(plan: BenchmarkPlan, bench: Bench, beside: dict[str, PeerProgram], made: Results, say: Say) -> None:
    began = time.monotonic()
    say("warming up")
    await bench.run(CellPlan(GATEWAY, HEADLINE), 0, WARM_UP_SECONDS)
    cells = _cells(plan, beside)
    for number in range(1, plan.rounds + 1):
        if plan.quick and number > 1 and time.monotonic() - began > QUICK_SECONDS:
            made.notes.append(f"Time for {number - 1} of {plan.rounds} rounds only.")
            break
        for cell in cells:
            await _run(bench, cell, number, plan.seconds, made, say)
    if not plan.quick:
        await _measure_once(plan, bench, made, say)
    made.memory_mib = round(bench.stack.memory_mib(), 1)


async def _measure_once(plan: BenchmarkPlan, bench: Bench, made: Results, say: Say) -> None:
    """What depends on what was found before, and what takes no rounds."""
    saturated = made.find(name_of(GATEWAY, HEADLINE))
    if saturated is not None:
        cell = CellPlan(GATEWAY, PACED_CONNECTIONS, PACED, goals.SATURATION_SHARE * saturated.orders_per_second)
        for number in range(1, plan.rounds + 1):
            await _run(bench, cell, number, plan.seconds, made, say)
    sold = await bench.sell_out(SCARCE_UNITS, HEADLINE, plan.seconds)
    made.notes.append(f"A product of which there are {SCARCE_UNITS}: {sold}.")
    say("opening lists and searches")
    made.pages = await asyncio.to_thread(pages.measure, bench.stack.gateway_port, bench.stack.operator_token())


def _cells(plan: BenchmarkPlan, beside: dict[str, PeerProgram]) -> list[CellPlan]:
    """One round: a ceiling before every few runs."""
    if plan.quick:
        return [CellPlan(CEILING, CLIENTS), CellPlan(GATEWAY, HEADLINE)]
    wanted = [
        *(CellPlan(system, connections) for connections in plan.connections for system in (GATEWAY, DOOR)),
        *(CellPlan(DOOR, connections, HOT_PATTERN) for connections in plan.connections if connections >= 32),
        *(CellPlan(peer, HEADLINE) for peer in beside),
    ]
    ceilings = [CellPlan(system, CLIENTS) for system in SCRIPTS if system != CEILING]
    groups = [wanted[place : place + CEILING_EVERY] for place in range(0, len(wanted), CEILING_EVERY)]
    return [cell for group in groups for cell in (CellPlan(CEILING, CLIENTS), *group)] + ceilings


async def _run(bench: Bench, cell: CellPlan, number: int, seconds: float, made: Results, say: Say) -> None:
    run = await bench.run(cell, number, seconds)
    made.runs.append(run)
    made.cells = results.summarise(made.runs)
    ratio = "" if run.ratio is None else f"  ratio {run.ratio:.2f}"
    say(f"{number}  {run.cell:24} {run.orders_per_second:8.0f} orders/s{ratio}  p50 {run.latency.p50:.1f} ms")


async def _profile(
    plan: BenchmarkPlan, bench: Bench, server: Connection, say: Say
) -> dict[str, list[tuple[str, float]]]:
    say("profiling")
    folder = plan.out / "profile"
    folder.mkdir(parents=True, exist_ok=True)
    before = await profiling.statements(server)
    recording = asyncio.create_task(profiling.record(bench.stack.python_processes(), PROFILE_SECONDS, folder))
    await bench.run(CellPlan(GATEWAY, HEADLINE), 0, PROFILE_SECONDS)
    profiles = {name: profiling.hottest(file.read_text()) for name, file in (await recording).items()}
    return {**profiles, "statements": profiling.slowest(before, await profiling.statements(server))}
