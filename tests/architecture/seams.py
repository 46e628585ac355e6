"""The rule that flows take clock, chance and ids as arguments, so that a simulation can replace
them.
"""

import ast
from collections.abc import Iterator
from typing import Final

from tests.architecture.roles import Role
from tests.architecture.rules import rule
from tests.architecture.tree import SOURCE, Module, Tree

DRAWING: Final = ("random", "secrets", "uuid", "uuid_utils")
"""Modules with functions that return a different result in each call."""
READING: Final = (
    *(
        "datetime.date.today",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
    ),
    *(
        "time.time",
        "time.time_ns",
        "valerix.chassis.base.deadline.utc_now",
        "valerix.contracts.ids.new_id",
    ),
)
"""Calls that read the clock or create ids. Monotonic clocks are absent: a simulation replaces the
event loop's time.
"""
EXEMPT: Final[dict[str, frozenset[str]]] = {
    # Messages are sent again after a crash: no audit rule depends on their times and ids.
    "notifications/use_cases.py": frozenset(
        {"datetime.datetime.now", "random.random", "valerix.contracts.ids.new_id"}
    ),
    # People create accounts, outside the life of an order.
    "users/use_cases.py": frozenset({"valerix.contracts.ids.new_id"}),
}
"""Calls that are exempt for now."""


@rule(
    "Take it as an argument with the real one as its default:"
    " now: Now = utc_now, make_id = new_id, chance"
)
def flows_take_clock_chance_and_ids_as_arguments(tree: Tree) -> Iterator[str]:
    return (
        f"{SOURCE}{path}:{line} calls {name}"
        for path, line, name in called(tree)
        if not is_exempt(path, name)
    )


def is_exempt(path: str, name: str) -> bool:
    return name in EXEMPT.get(path, ())


def called(tree: Tree) -> Iterator[tuple[str, int, str]]:
    """Yields path, line and full name of every such call in a use case or a flow."""
    for module in tree.having(Role.USE_CASES, Role.FLOW):
        names = dict(imported(module))
        for node in module.nodes:
            if isinstance(node, ast.Call):
                first, *rest = ast.unparse(node.func).split(".")
                name = ".".join([names.get(first, first), *rest])
                if name in READING or name.split(".")[0] in DRAWING:
                    yield module.where.removeprefix(SOURCE), node.lineno, name


def imported(module: Module) -> Iterator[tuple[str, str]]:
    """Yields the names that the module imports, with the full names that they stand for."""
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom):
            yield from (
                (alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names
            )
        elif isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
