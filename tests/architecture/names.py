"""The rule that a class has a name of its own, so that a name found anywhere says which class is meant."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from tests.architecture.rules import rule
from tests.architecture.tree import Tree, room

SHARED_NAMES: Final = frozenset({"Settings"})
"""Every composition root reads its own."""
GENERATED: Final = "client"
"""Its models are named by the services' documents."""


@rule("Say in the name what sets it apart from the other")
def class_names_are_unique(tree: Tree) -> Iterator[str]:
    places = defaultdict(list)
    for module in tree.modules.values():
        if room(module.name) != GENERATED:
            for node in ast.parse(module.text).body:
                if isinstance(node, ast.ClassDef) and node.name not in SHARED_NAMES:
                    places[node.name].append(f"{module.where}:{node.lineno}")
    return (f"{where} defines {name} again" for name, (_, *again) in places.items() for where in again)
