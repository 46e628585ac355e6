"""The rules by which code of another version is refused, instead of running on an unknown
schema.
"""

import ast
from collections.abc import Iterator
from typing import Final

from tests.architecture.roles import STORING
from tests.architecture.rules import rule
from tests.architecture.tree import SOURCE, Tree
from valerix.chassis.postgres.migrations import COMPATIBLE_FROM

WITHOUT_HEADER: Final = {
    "inventory": 8,
    "notifications": 7,
    "orders": 10,
    "payments": 5,
    "users": 8,
}
"""The last migrations without a header: files of applied migrations are never edited."""


@rule(
    "Begin the file with `-- compatible_from: NNNN`: its own number or an older one"
    " (CONTRIBUTING, Migrations)"
)
def migrations_state_the_oldest_code_that_may_go_on(tree: Tree) -> Iterator[str]:
    for service in STORING:
        for file in sorted((tree.source / service / "migrations").glob("*.sql")):
            stated, number = COMPATIBLE_FROM.match(file.read_text()), int(file.name[:4])
            where = f"{SOURCE}{service}/migrations/{file.name}"
            if stated is None and number > WITHOUT_HEADER[service]:
                yield f"{where} states no version"
            elif stated is not None and not 0 < int(stated[1]) <= number:
                yield f"{where} states {stated[1]}"


@rule(
    "Use open_database, or pass code=code_of(service),"
    " so that connections to a newer schema are refused"
)
def databases_are_opened_by_code_that_says_its_version(tree: Tree) -> Iterator[str]:
    for module in tree.modules.values():
        for node in module.nodes:
            if isinstance(node, ast.Call) and _opens_without(node):
                yield f"{module.where}:{node.lineno} opens a database without it"


def _opens_without(call: ast.Call) -> bool:
    return ast.unparse(call.func).endswith("Database.open") and "code" not in {
        word.arg for word in call.keywords
    }
