"""The rule that a command starts without the parts of a server."""

from collections.abc import Iterator
from typing import Final

from tests.architecture.rules import rule
from tests.architecture.tree import Tree

FIRST: Final = "valerix.cli.main"
SERVER: Final = frozenset({"aio_pika", "litestar", "uvicorn"})
"""Libraries that take longer to load than most commands run."""


@rule("Every command would load it: move what the command needs into a module without it")
def commands_load_no_server(tree: Tree) -> Iterator[str]:
    loaded, due = set[str](), [FIRST]
    while due:
        name = due.pop()
        if name in loaded or name not in tree.modules:
            continue
        loaded.add(name)
        module = tree.modules[name]
        for line, imported in module.imports:
            if imported.partition(".")[0] in SERVER:
                yield f"{module.where}:{line} imports {imported}"
            elif found := tree.imported(imported):
                due.append(found)
