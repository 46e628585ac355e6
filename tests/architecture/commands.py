"""The rules that money and stock move only by commands built from the order, never from a
request.
"""

import ast
from collections.abc import Iterator
from typing import Final

import msgspec

from tests.architecture.roles import SERVICES, Role
from tests.architecture.rules import rule
from tests.architecture.seams import imported
from tests.architecture.tree import Module, Tree
from valerix.contracts import commands

CONTRACTS: Final = "valerix.contracts.commands"
COMMANDS: Final = frozenset(
    f"{CONTRACTS}.{name}"
    for name, kind in vars(commands).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
)
BUILDERS: Final = {
    f"{CONTRACTS}.CapturePayment": ("orders.requests", "payments.owed"),
    f"{CONTRACTS}.VoidPayment": ("orders.requests",),
    f"{CONTRACTS}.ReserveStock": ("orders.requests", "inventory.permitted"),
    "valerix.inventory.domain.Ending": (
        "inventory.consumers",
        "inventory.domain",
        "inventory.permitted",
    ),
}
"""Commands that move the money or the stock of an order, with the modules that may build them from
the order or its event.
"""
VERBS: Final = frozenset({"delete", "get", "patch", "post", "put"})


@rule(
    "Let one of the BUILDERS (tests/architecture/commands.py) check the order and build the command"
    " from it"
)
def what_moves_money_and_stock_is_built_from_the_order(tree: Tree) -> Iterator[str]:
    for module in tree.inside(*SERVICES):
        for line, name in built(module):
            if module.name.removeprefix("valerix.") not in BUILDERS[name]:
                yield f"{module.where}:{line} builds {name.rpartition('.')[2]}"


@rule(
    "Commands are for services: take a body of schemas.py, and let a use case check it with orders"
)
def public_routes_take_no_command(tree: Tree) -> Iterator[str]:
    for module in tree.having(Role.ROUTES):
        for handler in module.nodes:
            if isinstance(handler, ast.AsyncFunctionDef | ast.FunctionDef) and is_public(handler):
                for name in annotated(module, handler):
                    if name in COMMANDS:
                        command = name.rpartition(".")[2]
                        yield f"{module.where}:{handler.lineno} takes {command} in {handler.name}"


def built(module: Module) -> Iterator[tuple[int, str]]:
    """Yields line and full name of every command of BUILDERS that the module builds, also by
    converting a body into it.
    """
    for node in module.nodes:
        if isinstance(node, ast.Call):
            for given in (node.func, *node.args, *(keyword.value for keyword in node.keywords)):
                if (name := full_name(module, given)) in BUILDERS:
                    yield node.lineno, name


def is_public(handler: ast.AsyncFunctionDef | ast.FunctionDef) -> bool:
    calls = (each for each in handler.decorator_list if isinstance(each, ast.Call))
    return any(ast.unparse(call.func) in VERBS for call in calls)


def annotated(module: Module, handler: ast.AsyncFunctionDef | ast.FunctionDef) -> Iterator[str]:
    """Yields the full names in the annotations of the handler's parameters."""
    for argument in (*handler.args.posonlyargs, *handler.args.args, *handler.args.kwonlyargs):
        yield from (full_name(module, node) for node in ast.walk(argument.annotation or argument))


def full_name(module: Module, node: ast.AST) -> str:
    """Returns the full name that a name or an attribute stands for; empty for other nodes."""
    if not isinstance(node, ast.Name | ast.Attribute):
        return ""
    first, *rest = ast.unparse(node).split(".")
    known = {"valerix": "valerix", **dict(imported(module))}
    return ".".join([known.get(first, f"{module.name}.{first}"), *rest])
