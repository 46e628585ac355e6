"""One mutant: complete lines at a place, and the lines that replace them."""

import ast
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec


class DoesNotApply(Exception):
    """The file has changed since the mutant was drawn; the mutant has to be ported by hand."""


class Mutant(msgspec.Struct, frozen=True):
    number: int
    area: str
    path: str
    line: int
    operator: str
    before: str
    after: str

    def apply(self, checkout: Path) -> None:
        """Write the mutated file. Raises DoesNotApply."""
        file = checkout / self.path
        text = self.mutated(file.read_text()) if file.exists() else None
        if text is None:
            raise DoesNotApply(
                f"{self.number}: {self.path}:{self.line} is not {self.before.strip()!r}"
            )
        ast.parse(text)
        file.write_text(text)

    def restore(self, checkout: Path) -> None:
        git(checkout, "checkout", "--quiet", "--", self.path)

    def mutated(self, text: str) -> str | None:
        """Return the text with the mutant at the nearest place that has its lines.

        None if no place has.
        """
        lines, wanted = text.split("\n"), self.before.split("\n")
        places = [n for n in range(len(lines)) if lines[n : n + len(wanted)] == wanted]
        if not places:
            return None
        place = min(places, key=lambda n: abs(n + 1 - self.line))
        return "\n".join([*lines[:place], *self.after.split("\n"), *lines[place + len(wanted) :]])


def read(file: Path) -> list[Mutant]:
    return [msgspec.json.decode(line, type=Mutant) for line in file.read_bytes().splitlines()]


def written(mutants: Iterable[Mutant]) -> str:
    return "".join(msgspec.json.encode(mutant).decode() + "\n" for mutant in mutants)


def git(checkout: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
