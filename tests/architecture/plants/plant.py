"""The form of a planted violation, and short ways to write one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.architecture.roles import (
    FLAT_CHASSIS,
    ROLES,
    ROOTS,
    SHARED,
    STORING,
    Role,
    Roles,
    has_role,
)
from tests.architecture.tree import SOURCE, Tree


@dataclass(frozen=True)
class Plant:
    """A violation. Paths are below `src/valerix`; with a leading slash, below the checkout."""

    files: Mapping[str, str | None]
    """Texts of files; None: the file is missing."""
    found: str
    """The violation that the rule must report."""
    roles: Roles = field(default_factory=dict)
    """Entries that replace entries of the table."""
    flat_chassis: bool = FLAT_CHASSIS

    def grow(self, root: Path) -> Tree:
        """Creates a tree in which every listed module is an empty file, plus this plant."""
        listed = {name.replace(".", "/") for role in ROLES.values() for name in role} - {
            "contracts"
        }
        paths = [f"{name}.py" for name in listed] + [
            f"{room}/__init__.py" for room in SHARED + ROOTS
        ]
        paths += [f"{service}/migrations/0001.sql" for service in STORING] + ["/ARCHITECTURE.md"]
        for path, text in {**dict.fromkeys(paths, ""), **self.files}.items():
            if text is not None:
                (root / full(path)).parent.mkdir(parents=True, exist_ok=True)
                (root / full(path)).write_text(text)
        return Tree(root, {**ROLES, **self.roles}, self.flat_chassis)


def full(path: str) -> str:
    return path[1:] if path.startswith("/") else SOURCE + path


def at(path: str, text: str, found: str) -> Plant:
    return Plant({path: text}, f"{path}{found}")


def now(role: Role, room: str = "orders") -> str:
    """Returns the path of a module that has the role."""
    return (
        next(name for name in ROLES[role] if name.startswith(f"{room}.")).replace(".", "/") + ".py"
    )


def listed(role: Role, name: str) -> Roles:
    return {role: (*ROLES[role], name)}


def unlisted(role: Role, name: str) -> Roles:
    return {role: tuple(one for one in ROLES[role] if one != name)}


def both(role: Role, later: str, text: str, found: str) -> tuple[Plant, Plant]:
    """Plants the text in a role's present module and in a later one, listed itself or by folder."""
    name = later.removesuffix(".py").replace("/", ".")
    entry = {} if has_role(ROLES[role], f"valerix.{name}") else listed(role, name)
    return at(now(role), text, found), Plant({later: text}, f"{later}{found}", entry)
