"""The rule that files stay short, except generated files."""

from collections.abc import Iterator
from typing import Final

from tests.architecture.rules import rule
from tests.architecture.tree import Tree

MAX_FILE_LINES: Final = 450
GENERATED_FILES: Final = frozenset({"src/valerix/client/generated.py"})
"""tools.client writes them; their length follows the API."""


@rule(f"The file has more than {MAX_FILE_LINES} lines: make it a package of the same name")
def no_file_grows_past_its_limit(tree: Tree) -> Iterator[str]:
    for folder in ("src", "tests", "tools", "bench"):
        for path in sorted((tree.root / folder).rglob("*.py")):
            name, lines = path.relative_to(tree.root).as_posix(), len(path.read_text().splitlines())
            if lines > MAX_FILE_LINES and name not in GENERATED_FILES:
                yield f"{name} has {lines} lines"
