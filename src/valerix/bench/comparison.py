"""Two benchmarks side by side. Only what drifts little is compared: ratios and processor time per order."""

from typing import NamedTuple

from valerix.bench.results import Results


class Change(NamedTuple):
    """`now` over `before` as a share: 0.1 is ten per cent more."""

    cell: str
    what: str
    before: float
    now: float

    @property
    def share(self) -> float:
        return self.now / self.before - 1 if self.before else 0.0


def compare(now: Results, before: Results) -> list[Change]:
    """Cells that are in both."""
    changes = []
    for cell in now.cells:
        old = before.find(cell.cell)
        if old is None:
            continue
        if cell.ratio is not None and old.ratio is not None:
            changes.append(Change(cell.cell, "ratio", old.ratio, cell.ratio))
        if cell.costs is not None and old.costs is not None:
            changes.append(Change(cell.cell, "CPU µs/order", old.costs.total_us, cell.costs.total_us))
        changes.append(Change(cell.cell, "p99 ms", old.latency.p99, cell.latency.p99))
    return changes


def describe(changes: list[Change]) -> list[str]:
    """One line each."""
    return [f"{c.cell}: {c.what} {c.before:.2f} → {c.now:.2f} ({c.share:+.0%})" for c in changes]
