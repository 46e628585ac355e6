"""Results of a benchmark, stored as one JSON document."""

from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from valerix.audit.inspection import AuditReport
from valerix.launcher.errors import LauncherError

CEILING: Final = "ceiling"
GATEWAY: Final = "gateway"
SERVICE_PORT: Final = "door"
"""Name in results of the orders service's own port, without the gateway."""
SUSTAINED: Final = "sustained"
"""Pattern of the headline's turns: a long load through the gateway, until all its work is done."""
CLASSIC, TUNED = "node-classic", "node-tuned"


class LatencyQuantiles(msgspec.Struct, frozen=True, rename="camel"):
    """Latencies in milliseconds, as measured by the load generator."""

    p50: float
    p90: float
    p99: float
    max: float


class Costs(msgspec.Struct, frozen=True, rename="camel"):
    """The costs of one order, including all work it causes: counts, bytes and microseconds."""

    cpu_us: dict[str, float]
    """Processor time by process; PostgreSQL's by database."""
    statements: dict[str, float]
    """Round trips to PostgreSQL, by database."""
    commits: dict[str, float]
    requests: dict[str, float]
    """HTTP requests answered, by service."""
    wal_bytes: float
    page_images: float
    """Full pages in the log: PostgreSQL writes them at the first change after a checkpoint."""
    fsyncs: float
    """Syncs of the write-ahead log."""
    batches: dict[str, float]
    """Mean number of items in a batch, by batcher."""
    idle_us: dict[str, float] = {}
    """Part of `cpu_us` that the same stack takes in the same time without an order."""

    @property
    def total_us(self) -> float:
        return sum(self.cpu_us.values())

    @property
    def total_idle_us(self) -> float:
        return sum(self.idle_us.values())


class RunResult(msgspec.Struct, frozen=True, rename="camel"):
    """One run of one cell."""

    cell: str
    round: int
    orders_per_second: float
    ratio: float | None
    """Orders/s over the last ceiling measured before the run.

    For a sustained turn, over the mean of both ceilings.
    """
    latency: LatencyQuantiles
    statuses: dict[str, int] = {}
    lost: int = 0
    """Requests without an answer: connection errors and timeouts."""
    costs: Costs | None = None
    busy_cores: dict[str, float] = {}
    """Cores used during the load, by process."""
    machine_cores: float = 0.0
    """Cores used on the whole machine, including the load generator's."""
    waits: dict[str, float] = {}
    """Average number of PostgreSQL's active sessions, by the reason they waited for."""
    drain_seconds: float = 0.0
    """From the end of the load until all work its orders caused was done."""
    backlog: int = 0
    """Orders, events and messages left at the end of the drain."""
    exhausted: str = ""
    orders: int = 0
    load_seconds: float = 0.0
    returning: float | None = None
    """Share of orders from customers with an earlier order in this run."""
    ceilings: tuple[float, float] | None = None
    """For a sustained turn: orders/s of the ceilings directly before and after it."""
    sustained_per_second: float | None = None
    """Orders over the seconds of load and drain; None when the drain did not end."""
    sustained_ratio: float | None = None


class CellResult(msgspec.Struct, frozen=True, rename="camel"):
    """A cell, as the medians of its runs."""

    cell: str
    runs: int
    orders_per_second: float
    ratio: float | None
    latency: LatencyQuantiles
    costs: Costs | None
    busy_cores: dict[str, float]
    machine_cores: float
    waits: dict[str, float]
    drain_seconds: float
    backlog: int
    statuses: dict[str, int]
    """Sums over all runs."""
    lost: int
    exhausted: str
    """The most frequent value of the runs."""


class Spread(msgspec.Struct, frozen=True):
    """A figure over several runs."""

    median: float
    low: float
    high: float


class PageResult(msgspec.Struct, frozen=True, rename="camel"):
    """One list or search, requested many times in sequence. Times in milliseconds."""

    name: str
    p50: float
    p99: float
    rows: int


class Goal(msgspec.Struct, frozen=True, rename="camel"):
    """A performance goal, and the measured figure."""

    number: str
    what: str
    wanted: str
    measured: str
    met: bool | None
    """None: not measured in this run."""


class Environment(msgspec.Struct, frozen=True, rename="camel"):
    """The machine and the software of a benchmark."""

    cores: int
    processor: str
    memory_mib: int
    kernel: str
    python: str
    postgres: str
    file_system: str
    sync_ms: float
    """Median time of writing 8 KiB and syncing them."""
    load_average: float
    """Load average before the benchmark: the machine's other work."""
    settings: dict[str, str]
    """`VALERIX_…` variables that were set."""


class Results(msgspec.Struct, rename="camel"):
    """All results of one benchmark."""

    made_at: datetime
    command: str
    environment: Environment
    replicas: dict[str, int]
    rows: int
    cold_start_seconds: float | None = None
    warm_start_seconds: float | None = None
    idle_memory_mib: float | None = None
    """Memory of the stack before the first load."""
    memory_mib: float | None = None
    """Memory of the stack after the last load."""
    cells: list[CellResult] = []
    runs: list[RunResult] = []
    turns: dict[str, Spread] = {}
    """Spreads over all sustained turns, by figure (`turns.FIGURES`)."""
    idle_ms: dict[str, float] = {}
    """Processor time per second of the idle stack, by process."""
    pages: list[PageResult] = []
    goals: list[Goal] = []
    notes: list[str] = []
    audit: AuditReport | None = None
    complete: bool = True
    """Whether all requested measurements were made."""

    def find(self, cell: str) -> CellResult | None:
        return next((one for one in self.cells if one.cell == cell), None)


def read(file: Path) -> Results:
    """Read results from a file. Raises LauncherError for a file of another version."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Results)
    except msgspec.DecodeError as error:
        raise LauncherError(f"{file} holds no results of this version: {error}") from None


def write(results: Results, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def name_of(system: str, connections: int, pattern: str = "uniform") -> str:
    """Return the name of a cell, e.g. `gateway/128/uniform`."""
    return f"{system}/{connections}/{pattern}"


def summarise(runs: list[RunResult]) -> list[CellResult]:
    """Summarise runs into one cell for each name, in order of appearance."""
    return [
        _cell(name, [run for run in runs if run.cell == name])
        for name in dict.fromkeys(run.cell for run in runs)
    ]


def _cell(name: str, runs: list[RunResult]) -> CellResult:
    ratios = [run.ratio for run in runs if run.ratio is not None]
    costs = [run.costs for run in runs if run.costs is not None]
    verdicts = [run.exhausted for run in runs]
    return CellResult(
        cell=name,
        runs=len(runs),
        orders_per_second=median(run.orders_per_second for run in runs),
        ratio=median(ratios) if ratios else None,
        latency=LatencyQuantiles(
            *(
                median(getattr(run.latency, each) for run in runs)
                for each in LatencyQuantiles.__struct_fields__
            )
        ),
        costs=_median_costs(costs) if costs else None,
        busy_cores=_medians([run.busy_cores for run in runs]),
        machine_cores=median(run.machine_cores for run in runs),
        waits=_medians([run.waits for run in runs]),
        drain_seconds=median(run.drain_seconds for run in runs),
        backlog=int(median(run.backlog for run in runs)),
        statuses=_sums([run.statuses for run in runs]),
        lost=sum(run.lost for run in runs),
        exhausted=max(verdicts, key=verdicts.count),
    )


def _median_costs(costs: list[Costs]) -> Costs:
    def of(name: str) -> dict[str, float]:
        return _medians([getattr(each, name) for each in costs])

    return Costs(
        cpu_us=of("cpu_us"),
        statements=of("statements"),
        commits=of("commits"),
        requests=of("requests"),
        wal_bytes=median(each.wal_bytes for each in costs),
        page_images=median(each.page_images for each in costs),
        fsyncs=median(each.fsyncs for each in costs),
        batches=of("batches"),
        idle_us=of("idle_us"),
    )


def _medians(tables: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: median(table.get(name, 0.0) for table in tables) for name in names}


def _sums(tables: list[dict[str, int]]) -> dict[str, int]:
    names = sorted({name for table in tables for name in table})
    return {name: sum(table.get(name, 0) for table in tables) for name in names}
