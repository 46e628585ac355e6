r"""The rules of input and output text: patterns end with `\Z`, one module writes to terminals."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture.roles import Role
from tests.architecture.rules import rule, written
from tests.architecture.tree import Module, Tree

FORMS: Final = "valerix.contracts.text"
TERMINALS: Final = ("valerix.cli.output", "valerix.launcher.terminal")
STREAMS: Final = frozenset(
    {"sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho", "click.echo", "print"}
)
_HARMLESS: Final = re.compile(r"\\.|\[[^\]]*\]")
"""Parts of a pattern in which a dollar sign is a literal."""
_BY_LINE: Final = re.compile(r"re\.(M|MULTILINE)\b")

_CUT: Final = re.compile(r"\b(?!traceI)(\w+I|i)d\.slice\(")
"""Cuts of ids in JavaScript. Trace ids are exempt: searches find them by their first characters."""
_ID: Final = re.compile(r"(^|[._])id$")


@rule(r"End the pattern with \Z: a dollar sign matches before a final newline, too")
def patterns_end_at_the_end(tree: Tree) -> Iterator[str]:
    for module in tree.modules.values():
        for line, pattern in patterns(module):
            if "$" in _HARMLESS.sub("", pattern):
                yield f"{module.where}:{line} has {pattern!r}"


def patterns(module: Module) -> Iterator[tuple[int, str]]:
    """Yields line and text of patterns in calls, and of every annotated text in the module of
    forms.
    """
    for node in module.nodes:
        if isinstance(node, ast.Call):
            first = (
                node.args[:1]
                if written(node.func).startswith("re.") and not _BY_LINE.search(written(node))
                else []
            )
            given = [
                *first,
                *(keyword.value for keyword in node.keywords if keyword.arg == "pattern"),
            ]
            texts = (
                part
                for value in given
                for part in ast.walk(value)
                if isinstance(part, ast.Constant)
            )
            yield from ((part.lineno, part.value) for part in texts if isinstance(part.value, str))
        elif (
            module.name == FORMS
            and isinstance(node, ast.AnnAssign)
            and isinstance(node.value, ast.Constant)
        ):
            yield node.lineno, str(node.value.value)


@rule(
    "Define the form in contracts/text.py, with the text that callers read instead of the pattern"
)
def patterns_of_input_have_a_name(tree: Tree) -> Iterator[str]:
    for module in tree.modules.values():
        for node in module.nodes:
            if (
                isinstance(node, ast.keyword)
                and node.arg == "pattern"
                and isinstance(node.value, ast.Constant | ast.JoinedStr)
            ):
                yield f"{module.where}:{node.value.lineno} has a pattern of its own"


@rule(
    "Take the time as text and parse it with pagination.parse_moment,"
    " which refuses numbers and local times"
)
def routes_take_no_times(tree: Tree) -> Iterator[str]:
    for module in tree.having(Role.ROUTES):
        for node in module.nodes:
            if isinstance(node, ast.AsyncFunctionDef) and node.decorator_list:
                for argument in node.args.args:
                    if "datetime" in written(argument.annotation):
                        yield f"{module.where}:{argument.lineno} takes the time {argument.arg}"


@rule("Print with launcher.terminal or cli.output: they remove terminal control characters")
def the_command_line_writes_in_one_place(tree: Tree) -> Iterator[str]:
    for module in tree.inside("cli", "launcher"):
        if module.name in TERMINALS:
            continue
        for node in module.nodes:
            if isinstance(node, ast.Call) and (named := written(node.func)) in STREAMS | {
                "Console",
                "console.Console",
            }:
                yield f"{module.where}:{node.lineno} calls {named}"


@rule(
    "Show the short form, which searches find:"
    " `short` of contracts/ids.py, `shortId` of the console's format.js"
)
def ids_are_shortened_in_one_place(tree: Tree) -> Iterator[str]:
    for path in sorted((tree.source / "console" / "static" / "js").rglob("*.js")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if path.name != "format.js" and _CUT.search(line):
                yield f"{path.relative_to(tree.root)}:{number} cuts an id"
    for module in tree.modules.values():
        for node in module.nodes:
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.slice, ast.Slice)
                and _ID.search(written(node.value))
            ):
                yield f"{module.where}:{node.lineno} cuts an id"
