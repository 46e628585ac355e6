"""Facts by section, each one line of text, with values that change in every run replaced."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

Facts = dict[str, list[str]]
LISTS: Final = Path(__file__).parent / "lists"
ALWAYS_NEW: Final = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
)
ADVICE: Final = (
    "This name is data: "
    "other programs, stored rows, messages in transit or files on disk contain it. "
    "A change needs a decision (an ADR) and a migration of data with the old name; "
    "then record it with `python -m tests.pins`"
)


class Taken:
    """Collects lines by section."""

    def __init__(self) -> None:
        self.lines: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, section: str, *words: object) -> None:
        self.lines[section].add(" ".join(str(word) for word in words if word not in ("", None)))

    def sorted(self) -> Facts:
        return {section: sorted(lines) for section, lines in sorted(self.lines.items())}


def merged(parts: Iterable[Mapping[str, Iterable[str]]]) -> Facts:
    taken = Taken()
    for part in parts:
        for section, lines in part.items():
            taken.lines[section].update(lines)
    return taken.sorted()


def settled(text: str) -> str:
    """Replaces values that differ in every run."""
    for form, word in ALWAYS_NEW:
        text = form.sub(word, text)
    return text


def shape(value: Any, at: str = "") -> list[str]:
    """Returns the names inside a JSON document, each with its path: `commands[].orderId`."""
    if isinstance(value, dict) and value:
        return [
            way
            for name, inner in value.items()
            for way in shape(inner, f"{at}.{name}" if at else name)
        ]
    if isinstance(value, list) and value:
        return sorted({way for inner in value for way in shape(inner, f"{at}[]")})
    return [at]


# --- on disk


def recorded() -> Facts:
    return {file.stem: file.read_text().splitlines() for file in sorted(LISTS.glob("*.txt"))}


def record(facts: Facts) -> None:
    LISTS.mkdir(exist_ok=True)
    for file in LISTS.glob("*.txt"):
        file.unlink()
    for section, lines in facts.items():
        (LISTS / f"{section}.txt").write_text("".join(f"{line}\n" for line in lines))


def changes(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """Returns `- line` for each missing line and `+ line` for each new one."""
    gone, new = set(before) - set(now), set(now) - set(before)
    return [*(f"- {line}" for line in sorted(gone)), *(f"+ {line}" for line in sorted(new))]
