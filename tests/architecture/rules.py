"""Rules that find violations in a tree and say what to do; tests/test_architecture.py runs them."""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.architecture.roles import (
    HOLDS_SQL,
    IN_EVERY_STORING_SERVICE,
    ROOTS,
    SERVICES,
    SHARED,
    STORING,
    TOLD_BY_IMPORT,
    Role,
    has_role,
)
from tests.architecture.tree import SOURCE, Module, Tree, room

MAX_ROOT_LINES: Final = 85
MAX_ROOM_MODULES: Final = 12
MAX_ROOM_ARROWS: Final = 22
SQL: Final = re.compile(
    r"\s*(SELECT\s|INSERT\s+INTO|UPDATE\s+\w+|DELETE\s+FROM|WITH\s+\w+\s+AS"
    r"|CREATE\s|ALTER\s|DROP\s|TABLE\s)"
)
RUNS: Final = {"fetch", "fetchrow", "fetchval", "execute", "executemany"}
"""The calls that run a statement."""
BUSINESS: Final = re.compile(
    r"customer|inventor|payment|warehouse|product|refund|shipment|catalog|_orders?\b|\borders?_",
    re.I,
)
CLOCK: Final = {"now", "utcnow", "today", "monotonic", "time_ns", "new_id"}
CHANCE: Final = {"random", "secrets", "time", "uuid", "uuid_utils"}
"""Modules with a different result in each call."""
IO: Final = {"asyncio", "os", "pathlib", "socket", "subprocess"}

Check = Callable[[Tree], Iterable[str]]


@dataclass(frozen=True)
class Rule:
    """`check` yields violations, each beginning with a path. `rooms` gives one test per folder."""

    check: Check
    advice: str
    rooms: tuple[str, ...] = ()


RULES: Final[dict[str, Rule]] = {}


def rule(advice: str, rooms: tuple[str, ...] = ()) -> Callable[[Check], Check]:
    def enter(check: Check) -> Check:
        RULES[check.__name__] = Rule(check, advice, rooms)
        return check

    return enter


def importing(modules: Iterable[Module], refused: Callable[[Module, str], bool]) -> Iterator[str]:
    for module in modules:
        for line, name in module.imports:
            if refused(module, name):
                yield f"{module.where}:{line} imports {name}"


# --- imports


@rule("Services communicate by contracts and network; move shared code to contracts or chassis")
def services_never_import_one_another(tree: Tree) -> Iterable[str]:
    others = {service: {*SERVICES} - {service} for service in SERVICES}
    return importing(
        tree.inside(*SERVICES), lambda module, name: room(name) in others[room(module.name)]
    )


@rule("launcher, cli, audit and bench are above the services; pass values down as settings")
def services_and_shared_rooms_never_import_composition_roots(tree: Tree) -> Iterable[str]:
    return importing(tree.inside(*SERVICES, *SHARED), lambda _, name: room(name) in ROOTS)


@rule("A shared package serves every service, so it must not import one", SHARED)
def shared_rooms_import_no_service(tree: Tree) -> Iterable[str]:
    return importing(tree.inside(*SHARED), lambda _, name: room(name) in SERVICES)


@rule("contracts has only data that crosses service borders: it imports no other package")
def contracts_import_nothing_of_ours_but_contracts(tree: Tree) -> Iterable[str]:
    return importing(tree.inside("contracts"), lambda _, name: room(name) not in ("", "contracts"))


@rule("Call a use case: it owns the transaction")
def routes_and_consumers_never_import_the_repository(tree: Tree) -> Iterable[str]:
    return importing(
        tree.having(Role.ROUTES, Role.CONSUMERS), lambda _, name: tree.has(Role.REPOSITORY, name)
    )


@rule("Import by full name, not relatively: other rules use the full name")
def everything_is_imported_by_its_full_name(tree: Tree) -> Iterable[str]:
    return importing(tree.modules.values(), lambda _, name: name.startswith("."))


@rule("Import at the top of the module; if that is a cycle, move something")
def nothing_is_imported_inside_a_function(tree: Tree) -> Iterable[str]:
    for module in tree.modules.values():
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = (n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom))
                yield from (f"{module.where}:{n.lineno} imports in {node.name}" for n in inner)


def cycles(graph: Mapping[str, Iterable[str]]) -> list[str]:
    done: set[str] = set()

    def walk(node: str, trail: tuple[str, ...]) -> list[str]:
        if node in trail:
            return [" -> ".join((*trail[trail.index(node) :], node))]
        if node in done:
            return []
        found = [cycle for target in graph.get(node, ()) for cycle in walk(target, (*trail, node))]
        done.add(node)
        return found

    return [cycle for node in graph for cycle in walk(node, ())]


@rule("Break the cycle: extract the part that both need")
def there_are_no_import_cycles(tree: Tree) -> Iterable[str]:
    graph = {
        module.name: {
            to for _, name in module.imports if (to := tree.imported(name)) and to != module.name
        }
        for module in tree.modules.values()
    }
    return (f"{SOURCE}: {cycle}" for cycle in cycles(graph))


# --- what a role may do


def impure_imports(tree: Tree, module: Module) -> Iterator[str]:
    allowed = sys.stdlib_module_names - CHANCE - IO

    def refused(_: Module, name: str) -> bool:
        ours = tree.has(Role.PURE, name) or tree.has(Role.PLAIN, name)
        return not ours and name.split(".", maxsplit=1)[0] not in allowed

    return importing([module], refused)


def reading_the_clock(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr in CLOCK:
            yield f"{module.where}:{node.lineno} reads the clock ({node.attr})"
    yield from importing([module], lambda _, name: name.rpartition(".")[2] in CLOCK)


def awaiting_or_reading_the_clock(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield f"{module.where}:{node.lineno} is async"
    yield from reading_the_clock(module)


@rule("Pure modules import only the standard library without I/O, pure and PLAIN modules")
def domain_is_pure(tree: Tree) -> Iterable[str]:
    return (found for module in tree.having(Role.PURE) for found in impure_imports(tree, module))


@rule("Pass times and outcomes into pure modules as arguments")
def domain_never_awaits_and_never_reads_the_clock(tree: Tree) -> Iterable[str]:
    return (
        found
        for module in tree.having(Role.PURE)
        for found in awaiting_or_reading_the_clock(module)
    )


@rule("Pass times and ids into statements as arguments, or use PostgreSQL's now()")
def repositories_never_read_the_clock_nor_draw(tree: Tree) -> Iterable[str]:
    for module in tree.having(Role.REPOSITORY):
        yield from reading_the_clock(module)
        yield from importing([module], lambda _, name: name.split(".")[0] in CHANCE)


@rule("Move the statement into the service's repository as a function of its own")
def sql_lives_in_repositories_migrations_and_the_chassis(tree: Tree) -> Iterable[str]:
    for module in tree.modules.values():
        if room(module.name) in HOLDS_SQL or tree.has(Role.REPOSITORY, module.name):
            continue
        for node in module.nodes:
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and SQL.match(node.value)
            ):
                yield f"{module.where}:{node.lineno} {node.value.strip()[:40]!r}"
            elif isinstance(node, ast.Attribute) and node.attr in RUNS:
                yield f"{module.where}:{node.lineno} runs a statement ({node.attr})"


@rule("One function awaits one statement; sequences belong to the use case with the transaction")
def one_repository_function_is_one_statement(tree: Tree) -> Iterable[str]:
    for module in tree.having(Role.REPOSITORY):
        for node in module.nodes:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            count = sum(isinstance(n, ast.Attribute) and n.attr in RUNS for n in ast.walk(node))
            if count != isinstance(node, ast.AsyncFunctionDef):
                yield f"{module.where}:{node.lineno} {node.name} runs {count} statements"


def written(annotation: ast.expr | None) -> str:
    return "" if annotation is None else ast.unparse(annotation)


@rule("Convert each row to an object, with a Reader of chassis.postgres.rows")
def repositories_give_no_rows_away(tree: Tree) -> Iterable[str]:
    for module in tree.inside(*SERVICES):
        for node in module.nodes if tree.has(Role.REPOSITORY, module.name) else ():
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if re.search(r"\bRecord\b", written(node.returns)):
                yield f"{module.where}:{node.lineno} {node.name} returns a Record"


@rule("Name each parameter; use a frozen dataclass if several functions pass them on")
def services_take_no_arguments_of_any_name_and_type(tree: Tree) -> Iterable[str]:
    for module in tree.inside(*SERVICES):
        for node in module.nodes:
            if (
                isinstance(node, ast.arguments)
                and node.kwarg
                and written(node.kwarg.annotation) == "Any"
            ):
                yield f"{module.where}:{node.kwarg.lineno} takes any {node.kwarg.arg}"


@rule("Name each service that may call the route: calls_from(ServiceName.ORDERS, …)")
def routes_name_the_services_that_call(tree: Tree) -> Iterable[str]:
    for module in tree.modules.values():
        for node in module.nodes:
            if not isinstance(node, ast.Call):
                continue
            name = written(node.func).rpartition(".")[2]
            if (name == "Access" and module.name != "valerix.contracts.roles") or (
                name == "calls_from"
                and not all(written(one).startswith("ServiceName.") for one in node.args)
            ):
                yield f"{module.where}:{node.lineno} opens a route to services it does not name"


@rule("Read it in the settings module and pass the value down")
def the_environment_is_read_in_settings_only(tree: Tree) -> Iterable[str]:
    for module in tree.modules.values():
        if not tree.has(Role.ENVIRONMENT, module.name):
            for node in module.nodes:
                if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                    yield f"{module.where}:{node.lineno} reads {node.attr}"
            yield from importing([module], lambda _, name: name in ("os.environ", "os.getenv"))


# --- the table of roles


@rule("List the folder in roles.py under SERVICES, SHARED or ROOTS")
def every_folder_is_a_service_shared_or_a_root(tree: Tree) -> Iterable[str]:
    known = {"", *SERVICES, *SHARED, *ROOTS}
    return (f"{m.where} is in no entry" for m in tree.modules.values() if room(m.name) not in known)


@rule("Update the module's entry in roles.py: it was moved or deleted")
def every_listed_module_exists(tree: Tree) -> Iterable[str]:
    for role, names in tree.roles.items():
        for listed in names:
            if not any(has_role((listed,), name) for name in tree.modules):
                yield f"{SOURCE}{listed.replace('.', '/')} is listed as {role} and does not exist"


@rule("List it in roles.py, so that the role's rules apply to it, or give it another name")
def every_module_has_the_role_it_looks_like(tree: Tree) -> Iterable[str]:
    for module in tree.inside(*SERVICES):
        for role, why in looking_like(tree, module):
            if not tree.has(role, module.name):
                yield f"{module.where} is not listed as {role}, but {why}"


def looking_like(tree: Tree, module: Module) -> Iterator[tuple[Role, str]]:
    """Yields roles that the module seems to have, with the reason."""
    for part in module.name.split(".")[2:]:
        yield from ((role, f"is named {part}") for role in Role if f"_{part}".endswith(f"_{role}"))
    for _, name in module.imports:
        last = name.rpartition(".")[2]
        if name.startswith(("litestar.", "valerix.chassis.")) and last in TOLD_BY_IMPORT:
            yield TOLD_BY_IMPORT[last], f"imports {name}"
    has_any = module.is_package or any(tree.has(role, module.name) for role in Role)
    if (
        not has_any
        and not any(impure_imports(tree, module))
        and not any(awaiting_or_reading_the_clock(module))
    ):
        yield Role.PURE, "is pure"


@rule("A newcomer would look for it: list the module with this role in roles.py", STORING)
def services_have_the_same_files(tree: Tree) -> Iterable[str]:
    for service in STORING:
        present = tree.inside(service)
        for role in IN_EVERY_STORING_SERVICE:
            if not any(tree.has(role, module.name) for module in present):
                yield f"{SOURCE}{service}/ has no module with the role {role}"
        if not (tree.source / service / "migrations").is_dir():
            yield f"{SOURCE}{service}/ has no migrations"


# --- sizes and names


@rule(f"Compose the service in at most {MAX_ROOT_LINES} lines; move the work elsewhere", SERVICES)
def composition_roots_can_be_read_in_a_minute(tree: Tree) -> Iterable[str]:
    for service in SERVICES:
        found = [
            module for module in tree.inside(service) if tree.has(Role.COMPOSITION, module.name)
        ]
        if not found:
            yield f"{SOURCE}{service}/ has no composition root"
        yield from (
            f"{module.where} has {module.lines} lines"
            for module in found
            if module.lines > MAX_ROOT_LINES
        )


@rule("Name the module after its purpose")
def nothing_is_called_utils(tree: Tree) -> Iterable[str]:
    vague = {"utils", "helpers", "common", "misc"}
    return (
        module.where for name, module in tree.modules.items() if vague.intersection(name.split("."))
    )


@rule("The chassis knows no business: use a general word, or move the code to the service")
def the_chassis_contains_no_business_word(tree: Tree) -> Iterable[str]:
    for module in tree.inside("chassis"):
        if BUSINESS.search(module.name):
            yield f"{module.where} is named so"
        for node in module.nodes:
            for said in (
                getattr(node, kind, None) for kind in ("id", "attr", "name", "arg", "asname")
            ):
                if isinstance(said, str) and BUSINESS.search(said):
                    yield f"{module.where}:{getattr(node, 'lineno', '?')} says {said}"


def chassis_rooms(tree: Tree) -> dict[str, list[Module]]:
    """Returns the chassis modules by their sub-package (room)."""
    rooms: dict[str, list[Module]] = {}
    for module in tree.inside("chassis"):
        below = module.name.split(".")[2:]
        if len(below) + module.is_package > 1:
            rooms.setdefault(below[0], []).append(module)
    return rooms


def chassis_arrows(tree: Tree) -> dict[str, set[str]]:
    """Returns for each room of the chassis the rooms that it imports."""
    rooms = chassis_rooms(tree)

    def targets(module: Module) -> set[str]:
        names = (
            name.split(".") for _, name in module.imports if name.startswith("valerix.chassis.")
        )
        return {parts[2] for parts in names} & rooms.keys()

    return {name: set().union(*map(targets, modules)) - {name} for name, modules in rooms.items()}


@rule(f"A chassis room has at most {MAX_ROOM_MODULES} modules: split it; each module is in a room")
def rooms_of_the_chassis_are_small(tree: Tree) -> Iterable[str]:
    for name, modules in chassis_rooms(tree).items():
        count = sum(not module.is_package for module in modules)
        if count > MAX_ROOM_MODULES:
            yield f"{SOURCE}chassis/{name}/ has {count} modules"
    if not tree.flat_chassis:
        loose = (m for m in tree.inside("chassis") if m.name.count(".") == 2 and not m.is_package)
        yield from (f"{module.where} is in no room" for module in loose)


@rule("Break the cycle: move the part that both rooms need into a room below them")
def rooms_of_the_chassis_have_no_cycle(tree: Tree) -> Iterable[str]:
    return (f"{SOURCE}chassis/: {cycle}" for cycle in cycles(chassis_arrows(tree)))


@rule(f"At most {MAX_ROOM_ARROWS} imports between chassis rooms: pass dependencies as arguments")
def rooms_of_the_chassis_know_few_others(tree: Tree) -> Iterable[str]:
    count = sum(map(len, chassis_arrows(tree).values()))
    if count > MAX_ROOM_ARROWS:
        yield f"{SOURCE}chassis/ has {count} arrows between rooms"


# --- documents


@rule("Shorten the document; a long decision is two decisions")
def documents_stay_short(tree: Tree) -> Iterable[str]:
    limits = {
        tree.root / "ARCHITECTURE.md": 280,
        **dict.fromkeys(tree.root.glob("docs/decisions/[0-9]*.md"), 40),
    }
    for path, limit in limits.items():
        if (lines := len(path.read_text().splitlines())) > limit:
            yield f"{path.relative_to(tree.root)} has {lines} lines, not {limit}"


@rule("Export the lock file with hashes, without index and file URLs")
def locked_requirements_carry_hashes_and_no_address(tree: Tree) -> Iterable[str]:
    for lock in sorted(tree.root.glob("requirements*.lock")):
        text = lock.read_text()
        if "://" in text:
            yield f"{lock.name} names an address"
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        if not pinned:
            yield f"{lock.name} is empty"
        if text.count("--hash=sha256:") < len(pinned):
            yield f"{lock.name} has requirements without hashes"
