"""A checkout as the rules see it: modules, their imports, and their roles."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.architecture.roles import FLAT_CHASSIS, ROLES, Role, Roles, has_role

SOURCE = "src/valerix/"


def room(name: str) -> str:
    """Returns the folder below `valerix` that a full name belongs to; empty for names outside."""
    parts = name.split(".")
    return parts[1] if parts[0] == "valerix" and len(parts) > 1 else ""


@dataclass(frozen=True)
class Module:
    """A module. `name` is the full name, `where` the path from the root of the checkout."""

    name: str
    where: str
    text: str

    @property
    def is_package(self) -> bool:
        return self.where.endswith("/__init__.py")

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text, self.where)))

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and full name of each import: `valerix.orders.domain.Order`."""
        return [
            (node.lineno, name)  # type: ignore[attr-defined]
            for node in self.nodes
            for name in _names(node)
        ]


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = "." * node.level + (f"{node.module}." if node.module else "")
        yield from (origin + alias.name for alias in node.names)


class Tree:
    """The checkout at `root`; its modules have the roles of the table `roles`."""

    def __init__(self, root: Path, roles: Roles = ROLES, flat_chassis: bool = FLAT_CHASSIS) -> None:
        self.root = root
        self.source = root / SOURCE
        self.roles = roles
        self.flat_chassis = flat_chassis
        read = [self._read(path) for path in sorted(self.source.rglob("*.py"))]
        self.modules = {module.name: module for module in read}

    def _read(self, path: Path) -> Module:
        name = ".".join(path.relative_to(self.root / "src").with_suffix("").parts).removesuffix(
            ".__init__"
        )
        return Module(name, str(path.relative_to(self.root)), path.read_text())

    def inside(self, *rooms: str) -> list[Module]:
        return [module for module in self.modules.values() if room(module.name) in rooms]

    def having(self, *roles: Role) -> list[Module]:
        return [
            module
            for module in self.modules.values()
            if any(self.has(role, module.name) for role in roles)
        ]

    def has(self, role: Role, name: str) -> bool:
        return has_role(self.roles[role], name)

    def imported(self, name: str) -> str | None:
        """Returns the module that an import of this name loads: the name's own module, or the one
        that contains it.
        """
        return next((one for one in (name, name.rpartition(".")[0]) if one in self.modules), None)
