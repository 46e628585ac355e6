"""The rule that class names are unique, so that a name always identifies one class."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.architecture.rules import rule
from tests.architecture.tree import Tree, room

SHARED_NAMES: Final = frozenset({"Settings"})
"""Names that each service defines: every composition root reads its own Settings."""
GENERATED: Final = "client"
"""The generated client: the services' documents determine the names of its models."""


@rule("Rename the class so that its name shows the difference from the other")
def class_names_are_unique(tree: Tree) -> Iterator[str]:
    places = defaultdict(list)
    for module in tree.modules.values():
        if room(module.name) != GENERATED:
            for node in ast.parse(module.text).body:
                if isinstance(node, ast.ClassDef) and node.name not in SHARED_NAMES:
                    places[node.name].append(f"{module.where}:{node.lineno}")
    return (
        f"{where} defines {name} again" for name, (_, *again) in places.items() for where in again
    )
