"""The rule that errors of pure modules know no HTTP; that those modules import no problem, `domain_is_pure` says."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.architecture.roles import Role
from tests.architecture.rules import rule, written
from tests.architecture.tree import Tree
from valerix.contracts.errors import DomainError

BASE: Final = DomainError.__name__
OF_HTTP: Final = frozenset({"status", "title", "headers"})


@rule("Give a domain error a code, a detail and extras; status, title and headers go into PROBLEMS of the schemas")
def domain_errors_know_no_http(tree: Tree) -> Iterator[str]:
    for module in tree.having(Role.PURE):
        for kind in module.nodes:
            if isinstance(kind, ast.ClassDef) and any(written(base).endswith(BASE) for base in kind.bases):
                yield from (f"{module.where}:{line} gives {kind.name} {word}" for line, word in given(kind))


def given(kind: ast.ClassDef) -> Iterator[tuple[int, str]]:
    """What of HTTP the class names: as a class variable, or in a call as an extra, which would go out in its place."""
    for node in ast.walk(kind):
        if isinstance(node, ast.keyword) and node.arg in OF_HTTP:
            yield node.value.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in OF_HTTP:
            yield node.lineno, node.id
