"""The rules of the house, executed. Each failure says what to do instead."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "valerix"
SERVICES = ("orders", "inventory", "payments", "users", "notifications", "psp", "console")
STORING = ("orders", "inventory", "payments", "users", "notifications")
"""Services with a database of their own."""
ROOTS = ("launcher", "cli", "audit", "bench", "drills")
"""Composition roots: they may import services, never the reverse."""
MAX_FILE_LINES = 400
SQL = re.compile(
    r"\s*(SELECT\s|INSERT\s+INTO|UPDATE\s+\w+|DELETE\s+FROM|WITH\s+\w+\s+AS|CREATE\s|ALTER\s|DROP\s|TABLE\s)"
)
BUSINESS = re.compile(
    r"customer|inventor|payment|warehouse|product|refund|shipment|catalog|_orders?\b|\borders?_", re.I
)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def files(*folders: str) -> list[Path]:
    return [path for folder in folders or ("",) for path in sorted((SOURCE / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of the modules that `path` imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: import by full name, not relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if exists(inner) else node.module


def exists(module: str) -> bool:
    base = ROOT / "src" / Path(*module.split("."))
    return base.with_suffix(".py").exists() or (base / "__init__.py").exists()


def room(module: str) -> str:
    """The folder below `valerix` a module lives in; empty for everything outside."""
    parts = module.split(".")
    return parts[1] if parts[0] == "valerix" and len(parts) > 1 else ""


def violations(found: list[str], advice: str) -> None:
    assert not found, advice + ":\n  " + "\n  ".join(found)


def test_services_never_import_one_another() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for service in SERVICES
        for path in files(service)
        for module in imports(path)
        if room(module) in set(SERVICES) - {service}
    ]
    violations(found, "Services talk through contracts and the network; move what is shared to contracts or chassis")


def test_services_and_shared_rooms_never_import_composition_roots() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files(*SERVICES, "chassis", "contracts", "client")
        for module in imports(path)
        if room(module) in ROOTS
    ]
    violations(
        found, "launcher, cli, audit, bench and drills stand above the services; pass what is needed down as settings"
    )


@pytest.mark.parametrize("shared", ["contracts", "chassis", "client"])
def test_shared_rooms_import_no_service(shared: str) -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files(shared)
        for module in imports(path)
        if room(module) in SERVICES
    ]
    violations(found, f"{shared} serves every service; it cannot know one")


def test_contracts_import_nothing_of_ours_but_contracts() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files("contracts")
        for module in imports(path)
        if room(module) not in ("", "contracts")
    ]
    violations(found, "contracts is what crosses a border and nothing else")


def test_the_chassis_contains_no_business_word() -> None:
    found = []
    for path in files("chassis"):
        for node in ast.walk(tree(path)):
            name = getattr(node, "id", None) or getattr(node, "attr", None) or getattr(node, "name", None)
            if isinstance(name, str) and BUSINESS.search(name):
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '?')} says {name}")
    violations(found, "The chassis is cross-cutting; find the general word, or move this to the service")


def test_domain_is_pure() -> None:
    allowed = set(sys.stdlib_module_names)
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files(*SERVICES)
        if path.name == "domain.py"
        for module in imports(path)
        if module.split(".")[0] not in allowed and room(module) != "contracts" and module != "valerix.chassis.problems"
    ]
    violations(found, "domain.py holds rules without I/O: only the standard library, contracts and chassis.problems")


def test_domain_never_awaits_and_never_reads_the_clock() -> None:
    found = []
    for path in (p for p in files(*SERVICES) if p.name == "domain.py"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} is async")
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today", "monotonic", "time_ns"):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} reads the clock ({node.attr})")
    violations(found, "Pass times and outcomes into the domain as arguments")


def test_sql_lives_in_repositories_migrations_and_the_chassis() -> None:
    found = []
    for path in files(*SERVICES, "contracts", "client", "cli", "launcher"):
        if path.name == "repository.py" or path.parent.name == "repository":
            continue
        found += [
            f"{path.relative_to(ROOT)}:{node.lineno} {node.value.strip()[:40]!r}"
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value)
        ]
    violations(found, "Move the statement into the service's repository.py as a function of its own")


def test_one_repository_function_is_one_statement() -> None:
    calls = {"fetch", "fetchrow", "fetchval", "execute", "executemany"}
    found = []
    for path in files(*STORING):
        if path.name != "repository.py" and path.parent.name != "repository":
            continue
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.AsyncFunctionDef):
                continue
            count = sum(isinstance(n, ast.Attribute) and n.attr in calls for n in ast.walk(node))
            if count != 1:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} runs {count} statements")
    violations(found, "One function = one statement; sequences belong to the use case that owns the transaction")


def test_routes_and_consumers_never_import_the_repository() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files(*SERVICES)
        if path.stem in ("routes", "consumers") or path.parent.name in ("routes", "consumers")
        for module in imports(path)
        if "repository" in module.split(".")
    ]
    violations(found, "Go through a use case: it owns the transaction")


def test_there_are_no_import_cycles() -> None:
    graph = {name_of(path): {m for m in imports(path) if exists(m) and m != name_of(path)} for path in files()}
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> list[str]:
        if module in trail:
            return [" -> ".join((*trail[trail.index(module) :], module))]
        if module in done:
            return []
        cycles = [c for target in graph.get(module, ()) for c in walk(target, (*trail, module))]
        done.add(module)
        return cycles

    violations([c for module in graph for c in walk(module, ())], "Break the cycle: extract what both need")


def test_the_environment_is_read_in_settings_only() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files()
        if path.stem != "settings"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    violations(found, "Read it in a settings module and pass the value down")


def test_nothing_is_imported_inside_a_function() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    violations(found, "Import at the top; a cycle is a sign to move something")


def test_no_file_grows_past_its_limit() -> None:
    found = [
        f"{path.relative_to(ROOT)} has {lines} lines"
        for path in [*files(), *sorted((ROOT / "tests").rglob("*.py"))]
        if (lines := len(path.read_text().splitlines())) > MAX_FILE_LINES
    ]
    violations(found, f"Over {MAX_FILE_LINES} lines: make it a folder of the same name")


def test_nothing_is_called_utils() -> None:
    found = [str(path.relative_to(ROOT)) for path in files() if path.stem in ("utils", "helpers", "common", "misc")]
    violations(found, "Name the file after what it does")


@pytest.mark.parametrize("service", STORING)
def test_services_have_the_same_files(service: str) -> None:
    wanted = ["app", "routes", "schemas", "use_cases", "domain", "repository", "metrics", "migrations"]
    present = {path.stem for path in (SOURCE / service).iterdir()}
    violations([name for name in wanted if name not in present], f"{service} lacks files a newcomer would look for")


@pytest.mark.parametrize("service", SERVICES)
def test_composition_roots_can_be_read_in_a_minute(service: str) -> None:
    lines = len((SOURCE / service / "app.py").read_text().splitlines())
    assert lines <= 60, f"{service}/app.py has {lines} lines; compose from parts, do not do the work there"


def test_documents_stay_short() -> None:
    limits = {ROOT / "ARCHITECTURE.md": 200} | dict.fromkeys((ROOT / "docs" / "decisions").glob("*.md"), 40)
    found = [
        f"{path.relative_to(ROOT)} has {lines} lines, not {limit}"
        for path, limit in limits.items()
        if (lines := len(path.read_text().splitlines())) > limit
    ]
    violations(found, "Say it shorter; a long decision is two")


def test_locked_requirements_carry_hashes_and_no_address() -> None:
    for lock in sorted(ROOT.glob("requirements*.lock")):
        text = lock.read_text()
        assert "://" not in text, f"{lock.name} names an address; export it without index and file URLs"
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pinned, f"{lock.name} is empty"
        assert text.count("--hash=sha256:") >= len(pinned), f"{lock.name} has requirements without hashes"
