"""The rule that state names are written in contracts.states only."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture.rules import rule
from tests.architecture.tree import SOURCE, Tree
from valerix.contracts.states import STATES

WORDS: Final = "|".join(sorted({str(state) for kind in STATES for state in kind}))
IN_SQL: Final = re.compile(f"'({WORDS})'")
IN_PAGES: Final = re.compile(rf"""(["'`])({WORDS})\1|[{{,]\s*({WORDS})\s*:""")
"""Strings and keys of JavaScript."""
HOMONYMS: Final[dict[str, frozenset[str]]] = {
    "audit/replay.py": frozenset({"reserved"}),  # units of stock
    "audit/rules.py": frozenset({"reserved"}),  # names a rule
    "chassis/http/health.py": frozenset({"failed"}),  # of a check
    "chassis/calls/client.py": frozenset({"failed"}),  # of an attempt
    "cli/bus.py": frozenset({"failed"}),  # heads a column
    "cli/chaos.py": frozenset({"failed"}),  # heads a column
    "cli/load/report.py": frozenset({"declined", "failed", "pending"}),  # outcomes for customers
    "cli/orders.py": frozenset({"refunded"}),  # heads a line
    "cli/stock.py": frozenset({"reserved"}),  # units of stock
    "console/static/js/pages/inventory.js": frozenset({"reserved"}),  # units of stock
    "console/static/js/widgets/stock.js": frozenset(
        {"released", "reserved", "shipped"}
    ),  # movements in words
    "console/static/js/widgets/timeline.js": frozenset({"failed"}),  # of a step
    "console/static/js/widgets/waterfall.js": frozenset({"failed"}),  # a filter
    "contracts/commands.py": frozenset({"reserved"}),  # tags an outcome
    "inventory/metrics.py": frozenset({"reserved"}),  # labels an outcome
    "inventory/repository/stock.py": frozenset({"reserved"}),  # units of stock
    "launcher/state.py": frozenset({"failed"}),  # of a process
    "orders/bounds.py": frozenset({"declined"}),  # an order's category
    "orders/calls.py": frozenset({"failed"}),  # of an attempt
    "orders/saga.py": frozenset({"failed"}),  # of an attempt
    "users/sessions.py": frozenset({"failed"}),  # of a sign-in
}
"""Words that are also states, but have a different meaning in the file."""


@rule(
    "Use the enum of contracts.states (sql() in statements, states.js in pages),"
    " or list the other meaning in HOMONYMS"
)
def states_are_written_once(tree: Tree) -> Iterator[str]:
    return (
        f"{SOURCE}{path}:{line} says {word}"
        for path, line, word in said(tree)
        if not is_homonym(path, word)
    )


def is_homonym(path: str, word: str) -> bool:
    return word in HOMONYMS.get(path, ())


def said(tree: Tree) -> Iterator[tuple[str, int, str]]:
    """Yields path, line and word of every state that is written as text."""
    for module in tree.modules.values():
        if module.name != "valerix.contracts.states":
            for node in module.nodes:
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    words = (
                        [node.value]
                        if re.fullmatch(WORDS, node.value)
                        else IN_SQL.findall(node.value)
                    )
                    yield from (
                        (module.where.removeprefix(SOURCE), node.lineno, word) for word in words
                    )
    for page in sorted((tree.source / "console/static").rglob("*.js")):
        if "vendor" not in page.parts:
            for number, line in enumerate(page.read_text().splitlines(), 1):
                for _, text, key in IN_PAGES.findall(line):
                    yield str(page.relative_to(tree.source)), number, text or key
