"""Mutations of the SQL in string literals, found in the text of the literal itself."""

import ast
import re
from collections.abc import Iterator

from tools.mutants.source import Edit, Source, nodes

COMPARISONS = {"=": "<>", "<>": "=", ">=": ">", ">": ">=", "<": "<=", "<=": "<"}
_STATEMENT = re.compile(rb"\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|BETWEEN)\b|[<>=] \?")
_HIDDEN = re.compile(rb"--[^\n]*|'[^'\n]*'")
"""Comments and values, which contain no operators."""
_PART = re.compile(rb"\{[^{}]*\}")
_SET = re.compile(rb"\bSET\b.*?(?=\bFROM\b|\bWHERE\b|\bRETURNING\b|\Z)", re.S)
_ASSIGNMENT = re.compile(rb"(?:\bSET|,)\s+\w+ =")
_COMPARISON = re.compile(rb"(?<![<>=!:-])(?:<=|>=|<>|=|<|>)(?![<>=])")
_LOCK = re.compile(rb" FOR UPDATE(?: SKIP LOCKED)?")
_SKIP = re.compile(rb" SKIP LOCKED")
_CONFLICT = re.compile(rb"\s+ON CONFLICT(?: \(\w+\))? DO NOTHING")
_SIGN = re.compile(rb"(?<=\s)[+-](?=\s)")
_AND = re.compile(rb"\s+\bAND\b")
_RANGE = re.compile(rb"\bBETWEEN\s+\S+\Z")
_BOUNDARY = re.compile(
    rb"\s+(?:AND|OR|THEN|ELSE|END|WHERE|GROUP|ORDER|HAVING|LIMIT|RETURNING|FOR|UNION|WINDOW"
    rb"|CROSS|LEFT|JOIN)\b"
)


def edits(source: Source) -> Iterator[Edit]:
    for node in nodes(source.tree):
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            text = _visible(source.of(node), isinstance(node, ast.JoinedStr))
            if _STATEMENT.search(text):
                start = source.start(node)
                yield from (
                    edit._replace(start=edit.start + start, end=edit.end + start)
                    for edit in _mutations(text)
                )


def _visible(literal: bytes, is_format: bool) -> bytes:
    """Return the literal with all text blanked that is not SQL; every byte keeps its place."""
    return _HIDDEN.sub(_blank, _PART.sub(_blank, literal) if is_format else literal)


def _blank(found: re.Match[bytes]) -> bytes:
    return re.sub(rb"[^\n]", b"x", found[0])


def _mutations(text: bytes) -> Iterator[Edit]:
    yield from _comparisons(text)
    yield from _removed(text, _LOCK, "sql lock")
    yield from _removed(text, _SKIP, "sql lock")
    yield from _removed(text, _CONFLICT, "sql conflict")
    for sign in _SIGN.finditer(text):
        yield Edit(*sign.span(), "sql arithmetic", b"-" if sign[0] == b"+" else b"+")
    for conjunction in _AND.finditer(text):
        if not _RANGE.search(text, 0, conjunction.start()):
            yield Edit(
                conjunction.start(), _end_of_condition(text, conjunction.end()), "sql conjunct", b""
            )


def _comparisons(text: bytes) -> Iterator[Edit]:
    assigned = {
        clause.start() + assignment.end() - 1
        for clause in _SET.finditer(text)
        for assignment in _ASSIGNMENT.finditer(clause[0])
    }
    for token in _COMPARISON.finditer(text):
        if token.start() not in assigned:
            yield Edit(*token.span(), "sql comparison", COMPARISONS[token[0].decode()].encode())


def _removed(text: bytes, pattern: re.Pattern[bytes], operator: str) -> Iterator[Edit]:
    yield from (Edit(*found.span(), operator, b"") for found in pattern.finditer(text))


def _end_of_condition(text: bytes, start: int) -> int:
    """Return where the condition that begins at `start` ends.

    It ends at the next keyword of its own level, at its closing parenthesis, or at the end of the
    literal.
    """
    depth = 0
    for position in range(start, len(text)):
        character = text[position : position + 1]
        depth += (character == b"(") - (character == b")")
        if depth < 0 or character == b'"' or (depth == 0 and _BOUNDARY.match(text, position)):
            return start + len(text[start:position].rstrip())
    return len(text)
