"""Compares two benchmarks, in figures that drift little: ratios and processor time per order."""

from typing import Final, NamedTuple

from valerix.bench import goals, turns
from valerix.bench.results import GATEWAY, Results, name_of

SHORT: Final = name_of(GATEWAY, turns.CONNECTIONS)
"""Cell of short runs of the same load; earlier versions had it instead of sustained turns."""


class Change(NamedTuple):
    """A figure in both benchmarks.

    `share`: the change relative to `before`; 0.1 is ten per cent more.
    """

    cell: str
    what: str
    before: float
    now: float

    @property
    def share(self) -> float:
        return self.now / self.before - 1 if self.before else 0.0


def compare(now: Results, before: Results) -> list[Change]:
    """Compare the sustained ratio and the cells that both results have."""
    changes = []
    sustained, sustained_before = goals.sustained_ratio(now), goals.sustained_ratio(before)
    if sustained is not None and sustained_before is not None:
        changes.append(Change(turns.CELL, "sustained ratio", sustained_before, sustained))
    for cell in now.cells:
        old = before.find(cell.cell) or (before.find(SHORT) if cell.cell == turns.CELL else None)
        if old is None:
            continue
        if cell.ratio is not None and old.ratio is not None:
            changes.append(Change(cell.cell, "ratio", old.ratio, cell.ratio))
        if cell.costs is not None and old.costs is not None:
            changes.append(
                Change(cell.cell, "CPU µs/order", old.costs.total_us, cell.costs.total_us)
            )
        changes.append(Change(cell.cell, "p99 ms", old.latency.p99, cell.latency.p99))
    return changes


def describe(changes: list[Change]) -> list[str]:
    """Return one line for each change."""
    return [f"{c.cell}: {c.what} {c.before:.2f} → {c.now:.2f} ({c.share:+.0%})" for c in changes]
