"""Mutations of Python: the replacements for each kind of node."""

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tools.mutants.source import Edit, Function, Source, nodes

COMPARISONS = {
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    **{"in": "not in", "not in": "in", "is": "is not", "is not": "is"},
}
_COMPARISON = re.compile(rb"[<>!=]=|[<>]|\bnot\s+in\b|\bis\s+not\b|\bin\b|\bis\b")
_LOGICAL = re.compile(rb"\b(?:and|or)\b")
_SIGN = re.compile(rb"[+-]")


def edits(source: Source) -> Iterator[Edit]:
    inverted = set(_returns_of_predicates(source.tree))
    for node in nodes(source.tree):
        for mutate in (
            _compared,
            _combined,
            _condition,
            _signed,
            _constant,
            _deleted,
            _defaults,
            _keyword,
        ):
            yield from mutate(source, node)
        if isinstance(node, ast.Return):
            yield from _returned(source, node, node in inverted)


def _token(
    source: Source, pattern: re.Pattern[bytes], left: ast.expr, right: ast.expr
) -> re.Match[bytes]:
    """Return the operator between two operands. Raises ValueError."""
    found = pattern.search(source.text, source.end(left), source.start(right))
    if found is None:
        raise ValueError(f"no operator in line {left.lineno}")
    return found


def _compared(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        for left, right in pairwise(operands):
            token = _token(source, _COMPARISON, left, right)
            swapped = COMPARISONS[" ".join(token[0].decode().split())]
            yield Edit(*token.span(), "comparison", swapped.encode())


def _combined(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.BoolOp):
        for left, right in pairwise(node.values):
            token = _token(source, _LOGICAL, left, right)
            yield Edit(*token.span(), "boolean", b"or" if token[0] == b"and" else b"and")
        spans = [source.outer(value) for value in node.values]
        yield Edit(spans[0][0], spans[1][0], "operand", b"")
        for (_, start), (_, end) in pairwise(spans):
            yield Edit(start, end, "operand", b"")


def _condition(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield source.replace(node, "negation", source.of(node.operand))
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.UnaryOp):
        yield source.replace(node.test, "negation", b"not (" + source.of(node.test) + b")")


def _signed(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        left, right = (
            (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
        )
        if not any(_is_text(operand) for operand in (left, right)):
            token = _token(source, _SIGN, left, right)
            yield Edit(*token.span(), "arithmetic", b"-" if token[0] == b"+" else b"+")


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _constant(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for value in (node.value + 1, node.value - 1):
            yield source.replace(node, "integer", str(value).encode())


def _deleted(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.Expr):
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            yield source.replace(node, "deletion", b"pass")


def _defaults(source: Source, node: ast.AST) -> Iterator[Edit]:
    values: Iterable[ast.expr | None] = ()
    if isinstance(node, ast.arguments):
        values = [*node.defaults, *node.kw_defaults]
    elif isinstance(node, ast.AnnAssign):
        values = [node.value]
    yield from _flipped(source, values)


def _keyword(source: Source, node: ast.AST) -> Iterator[Edit]:
    if isinstance(node, ast.keyword) and node.arg != "strict":  # zip's own assertion
        yield from _flipped(source, [node.value])


def _flipped(source: Source, values: Iterable[ast.expr | None]) -> Iterator[Edit]:
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, bool):
            yield source.replace(value, "default", str(not value.value).encode())


def _returned(source: Source, node: ast.Return, is_predicate: bool) -> Iterator[Edit]:
    value = node.value
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return
    if isinstance(value, ast.Constant) and isinstance(value.value, bool):
        yield source.replace(value, "return", str(not value.value).encode())
    elif is_predicate:
        yield source.replace(value, "return", b"not (" + source.of(value) + b")")
    else:
        yield source.replace(value, "return", b"None")


def _returns_of_predicates(tree: ast.Module) -> Iterator[ast.Return]:
    """Yield the return statements of functions whose return type is bool."""
    owner: dict[ast.AST, Function] = {}
    for function in ast.walk(tree):  # outer functions come first, so inner ones overwrite them
        if isinstance(function, Function):
            owner |= dict.fromkeys(ast.walk(function), function)
    for node, function in owner.items():
        returns = getattr(function, "returns", None)
        if isinstance(node, ast.Return) and isinstance(returns, ast.Name) and returns.id == "bool":
            yield node
