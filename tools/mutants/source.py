"""A Python file as bytes and syntax tree, and the edits that mutate it."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

Positioned = ast.expr | ast.stmt
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
LOGGING = frozenset({"log", "Histogram", "Counter", "Gauge"})
"""Names whose calls only log or measure; no test has to fail without them."""
NOT_RUN = frozenset({"annotation", "returns", "decorator_list"})
"""Fields of nodes that contain types or decorators."""


class Edit(NamedTuple):
    """A replacement of the bytes from `start` to `end`."""

    start: int
    end: int
    operator: str
    text: bytes


class Source:
    """A parsed file. Positions of nodes are byte offsets into `text`."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def start(self, node: Positioned) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: Positioned) -> int:
        return self._lines[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    def of(self, node: Positioned) -> bytes:
        return self.text[self.start(node) : self.end(node)]

    def outer(self, node: Positioned) -> tuple[int, int]:
        """Return start and end of the node with the parentheses around it."""
        start, end = self.start(node), self.end(node)
        while True:
            before, after = self.text[:start].rstrip(), self.text[end:].lstrip()
            if not (before.endswith(b"(") and after.startswith(b")")):
                return start, end
            start, end = len(before) - 1, len(self.text) - len(after) + 1

    def replace(self, node: Positioned, operator: str, text: bytes) -> Edit:
        return Edit(self.start(node), self.end(node), operator, text)

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets of the lines that hold this range, without the last line break."""
        following = self.text.find(b"\n", end)
        return self.text.rfind(b"\n", 0, start) + 1, len(self.text) if following < 0 else following

    def after(self, edit: Edit) -> bytes:
        return self.text[: edit.start] + edit.text + self.text[edit.end :]


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node that a mutation may change.

    F-strings are leaves, because Python 3.11 does not record the positions of their parts.
    """
    yield tree
    if isinstance(tree, ast.JoinedStr):
        return
    for name, value in ast.iter_fields(tree):
        if name in NOT_RUN or (name == "keywords" and isinstance(tree, ast.ClassDef)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not describes(child):
                yield from nodes(child)


def describes(node: ast.AST) -> bool:
    """Return whether the node is a docstring, a log call or a metric's declaration."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Expr) and describes(node.value)
    called = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    return isinstance(called, ast.Name) and called.id in LOGGING
