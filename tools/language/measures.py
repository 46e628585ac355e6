"""What can be counted of the language of the code in `src/valerix`, the tests and the tools."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

VAGUE: Final = re.compile(
    r"\b(who|whoever|whom|whose|nobody|somebody|everybody|anybody|told|asked)\b", re.IGNORECASE
)
"""Words whose sentences mostly have a person for their subject where the thing that acts has a
name.
"""
WORD: Final = re.compile(r"[A-Za-z']+")
DEFINITIONS: Final = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PYTHON_WIDTH: Final = 100
JAVASCRIPT_WIDTH: Final = 120


class Language(NamedTuple):
    """`vague`, `wide_python` and `wide_javascript` are places (`path:line: text`);
    `documented` is a share.
    """

    words: int
    vague: list[str]
    documented: float
    wide_python: list[str]
    wide_javascript: list[str]

    @property
    def vague_per_thousand(self) -> float:
        """Vague words among a thousand words of comments and docstrings."""
        return 1000 * len(self.vague) / self.words


def measured(root: Path) -> Language:
    """Words and docstrings of the product; widths of all Python and of the console's
    JavaScript.
    """
    product = {file: file.read_text() for file in sorted((root / "src" / "valerix").rglob("*.py"))}
    trees = {file: ast.parse(text) for file, text in product.items()}
    prose = [
        (f"{file.relative_to(root)}:{line}", text)
        for file, content in product.items()
        for line, text in _prose(content, trees[file])
    ]
    public = [node for tree in trees.values() for node in _public(tree)]
    static = root / "src" / "valerix" / "console" / "static"
    ours = (
        file
        for folder in ("src", "tests", "tools", "bench")
        for file in (root / folder).rglob("*.py")
    )
    pages = (file for file in static.rglob("*.js") if "vendor" not in file.parts)
    return Language(
        sum(len(WORD.findall(text)) for _, text in prose),
        [f"{place}: {text.strip()}" for place, text in prose for _ in VAGUE.findall(text)],
        sum(ast.get_docstring(node) is not None for node in public) / len(public),
        [place for file in ours for place in _wider(root, file, PYTHON_WIDTH)],
        [place for file in pages for place in _wider(root, file, JAVASCRIPT_WIDTH)],
    )


def _prose(content: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines of comments, docstrings and the strings below attributes, with their numbers."""
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text)) as constant):
                yield from enumerate(text.splitlines(), constant.lineno)


def _public(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, DEFINITIONS) and not node.name.startswith("_"):
            yield node


def _wider(root: Path, file: Path, width: int) -> Iterator[str]:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if len(line) > width:
            yield f"{file.relative_to(root)}:{number}: {line.strip()}"
