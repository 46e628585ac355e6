"""The rule that endless background work starts in the one way that outlives every error."""

import ast
from collections.abc import Iterator
from typing import Final

from tests.architecture.rules import rule
from tests.architecture.tree import SOURCE, Module, Tree

STARTS: Final = {
    f"{owner}.{method}"
    for owner in ("asyncio", "loop", "self._loop", "asyncio.get_running_loop()")
    for method in ("create_task", "ensure_future")
}
"""Calls that start a task. TaskGroup's are absent: an error of one of its tasks ends the waiting
task, and so is noticed there.
"""
EXEMPT: Final = {f"{SOURCE}chassis/messaging/bus/rabbitmq.py": frozenset({"publish"})}
"""A function with the name of an endless one that is a different one: the AMQP client's."""


@rule(
    "Start it as create_task(keep_running(work, failed)), or as one of `jobs`,"
    " see chassis.base.tasks"
)
def endless_work_is_kept_running(tree: Tree) -> Iterator[str]:
    endless = {name for module in tree.modules.values() for name in endless_functions(module)}
    for module in tree.modules.values():
        for line, name in started(module):
            if name in endless - EXEMPT.get(module.where, frozenset()):
                yield f"{module.where}:{line} starts {name}, which an error would end"


def endless_functions(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.AsyncFunctionDef) and any(map(is_endless, ast.walk(node))):
            yield node.name


def is_endless(node: ast.AST) -> bool:
    """Whether the node is `while True` without return or break, or a loop until the process is
    stopping.
    """
    if not isinstance(node, ast.While):
        return False
    leaves = any(isinstance(inner, ast.Return | ast.Break) for inner in ast.walk(node))
    return "stopping" in ast.unparse(node.test) or (ast.unparse(node.test) == "True" and not leaves)


def started(module: Module) -> Iterator[tuple[int, str]]:
    """Yields line and name of each function that becomes a task."""
    for node in module.nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTS:
            (work,) = node.args
            if isinstance(work, ast.Call):
                yield node.lineno, ast.unparse(work.func).split(".")[-1]
