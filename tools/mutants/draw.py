"""Lists all possible mutants and draws some of them.

The draw is the same on every machine and Python.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.mutants import code, sql
from tools.mutants.mutant import Mutant, git
from tools.mutants.source import Edit, Source

SCOPE = re.compile(
    r"src/valerix/(?:(orders|inventory|payments)/(?!migrations/|(?:demo|metrics)\.py)\S+"
    r"|chassis/(?:\w+/)?(inbox|outbox|auth|keys|tokens|cookies|verifier|coalescer|batcher"
    r"|resilience|deadline|policy|retry|breaker|bulkhead))\.py"
)
"""Files to mutate. In the chassis, by current names and by names in earlier lists."""
MIN_PER_AREA = 4


class Point(NamedTuple):
    """One possible mutant."""

    path: str
    source: Source
    edit: Edit

    def mutant(self, number: int) -> Mutant:
        edit, text = self.edit, self.source.text
        start, end = self.source.lines(edit.start, edit.end)
        after = text[start : edit.start] + edit.text + text[edit.end : end]
        line = text.count(b"\n", 0, start) + 1
        before = text[start:end].decode()
        return Mutant(
            number, area(self.path), self.path, line, edit.operator, before, after.decode()
        )


def area(path: str) -> str:
    """Return the service or the part of the chassis; empty outside the scope."""
    found = SCOPE.fullmatch(path)
    return (found[1] or found[2]) if found else ""


def draw(repository: Path, commit: str, count: int) -> list[Mutant]:
    """Draw `count` mutants of the sources at `commit`, which is also the seed.

    They are in the order of their places.
    """
    by_area: dict[str, list[Point]] = defaultdict(list)
    for point in points(repository, commit):
        by_area[area(point.path)].append(point)
    seats = shares({name: len(found) for name, found in by_area.items()}, count)
    # Python guarantees that random() stays the same in later versions, but not sample().
    chance = random.Random(commit)  # noqa: S311 - a reproducible draw, no secret
    drawn = [
        p
        for name in sorted(by_area)
        for p in sorted(by_area[name], key=lambda _: chance.random())[: seats[name]]
    ]
    drawn.sort(key=lambda point: (point.path, point.edit))
    return [point.mutant(number) for number, point in enumerate(drawn, 1)]


def shares(sizes: dict[str, int], count: int) -> dict[str, int]:
    """Return seats in proportion to the sizes (D'Hondt), at least MIN_PER_AREA for each area."""
    seats = dict.fromkeys(sorted(sizes), MIN_PER_AREA)
    for _ in range(count - sum(seats.values())):
        seats[max(seats, key=lambda name: sizes[name] / (seats[name] + 1))] += 1
    return seats


def points(repository: Path, commit: str) -> Iterator[Point]:
    """Yield all possible mutants, in the order of path, position and operator."""
    listed = (
        git(repository, "ls-tree", "-r", "--name-only", "--full-tree", commit).decode().splitlines()
    )
    for path in sorted(filter(area, listed)):
        source = Source(git(repository, "show", f"{commit}:{path}"))
        yield from (Point(path, source, edit) for edit in edits(source))


def edits(source: Source) -> list[Edit]:
    """Return each distinct mutation once."""
    found = {edit._replace(operator=""): edit for edit in (*code.edits(source), *sql.edits(source))}
    return sorted(found.values())
