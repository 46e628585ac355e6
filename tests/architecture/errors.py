"""The rule that domain errors are defined in pure modules and contain no HTTP."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.architecture.roles import SERVICES, Role
from tests.architecture.rules import rule, written
from tests.architecture.tree import Tree
from valerix.contracts.errors import DomainError

BASE: Final = DomainError.__name__
OF_HTTP: Final = frozenset({"status", "title", "headers"})


@rule(
    "Give the error a code, a detail and extras in a pure module;"
    " status, title and headers belong in schemas.PROBLEMS"
)
def domain_errors_know_no_http(tree: Tree) -> Iterator[str]:
    for module in tree.inside(*SERVICES):
        for kind in module.nodes:
            if isinstance(kind, ast.ClassDef) and any(
                written(base).endswith(BASE) for base in kind.bases
            ):
                yield from (
                    f"{module.where}:{line} gives {kind.name} {word}" for line, word in given(kind)
                )
                if not tree.has(Role.PURE, module.name):
                    yield f"{module.where}:{kind.lineno} defines {kind.name}"


def given(kind: ast.ClassDef) -> Iterator[tuple[int, str]]:
    """Yields the words of HTTP in the class: as a class variable, or as an extra in a call, which
    would replace the mapped value.
    """
    for node in ast.walk(kind):
        if isinstance(node, ast.keyword) and node.arg in OF_HTTP:
            yield node.value.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in OF_HTTP:
            yield node.lineno, node.id
