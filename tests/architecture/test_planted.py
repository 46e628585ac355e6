"""Every rule finds its violation and nothing else, in modules of today and of later versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.architecture import commands, errors, forms, loops, names, schemas, seams, sizes, states  # noqa: F401 - enter their rules
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
from tests.architecture.rules import MAX_ROOM_MODULES, MAX_ROOT_LINES, RULES
from tests.architecture.sizes import MAX_FILE_LINES
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


TWO: Final = "async def save(tx):\n    await tx.execute(one)\n    await tx.execute(two)\n"
SYNC: Final = "def save(tx):\n    return tx.execute(one)\n"
GIVING: Final = "async def find(tx) -> list[asyncpg.Record]:\n    return await tx.fetch(one)\n"
IMPURE: Final = "import msgspec"
DATETIME: Final = "from datetime import UTC, datetime"
IDS: Final = "from valerix.contracts.ids import new_id"
PROBLEM: Final = "from valerix.chassis.base.problems import Problem"
REFUSAL: Final = "class Busy(errors.DomainError):\n    code"
WITH_HEADERS: Final = (
    "class Busy(DomainError):\n    def __init__(self):\n        super().__init__('', headers={})\n"
)
QUERY: Final = "SELECT id FROM orders"
ROOMS: Final = "abcdefgh"

COMMANDS: Final = commands.CONTRACTS
CHARGING: Final = "from valerix.contracts import commands\nasync def charge(data):\n    commands.CapturePayment(data.order_id)"
CONVERTING: Final = (
    f"from {COMMANDS} import CapturePayment\nmsgspec.convert(data, type=CapturePayment)"
)
RESERVED: Final = ":2 builds ReserveStock"
VOIDED: Final = ":2 builds VoidPayment"
TAKING: Final = """from valerix.contracts import commands
from valerix.contracts.commands import CapturePayments
@post("/charge", access=STAFF)
async def charge(deadline: Deadline, data: CapturePayments) -> None: ...
"""

PLANTS: Final[Mapping[str, tuple[Plant, ...]]] = {
    # --- imports
    "services_never_import_one_another": (
        *both(
            Role.USE_CASES,
            "orders/placing.py",
            "import valerix.psp.domain",
            ":1 imports valerix.psp.domain",
        ),
        *both(
            Role.REPOSITORY,
            "orders/repository/x.py",
            "import valerix.psp.domain",
            ":1 imports valerix.psp.domain",
        ),
    ),
    "services_and_shared_rooms_never_import_composition_roots": (
        at(now(Role.ROUTES), "import valerix.audit.rules", ":1 imports valerix.audit.rules"),
        at("chassis/http/server.py", "from valerix import cli", ":1 imports valerix.cli"),
    ),
    "shared_rooms_import_no_service": (
        at(
            now(Role.ENVIRONMENT, "chassis"),
            "import valerix.orders.schemas",
            ":1 imports valerix.orders.schemas",
        ),
        at(
            "chassis/messaging/bus/x.py",
            "import valerix.orders.schemas",
            ":1 imports valerix.orders.schemas",
        ),
    ),
    "contracts_import_nothing_of_ours_but_contracts": (
        at(
            "contracts/money.py",
            "from valerix.chassis import problems",
            ":1 imports valerix.chassis.problems",
        ),
    ),
    "routes_and_consumers_never_import_the_repository": (
        *both(
            *(
                Role.ROUTES,
                "orders/routes/place.py",
                "from valerix.orders.repository import search",
            ),
            ":1 imports valerix.orders.repository.search",
        ),
        *both(
            *(Role.CONSUMERS, "orders/hearing.py", "from valerix.orders import repository"),
            ":1 imports valerix.orders.repository",
        ),
    ),
    "everything_is_imported_by_its_full_name": (
        at("orders/placing.py", "from . import schemas", ":1 imports .schemas"),
    ),
    "nothing_is_imported_inside_a_function": (
        at("chassis/calls/client.py", "def call():\n    import json", ":2 imports in call"),
    ),
    "there_are_no_import_cycles": (
        Plant(
            {
                "orders/driving.py": "from valerix.orders import saga",
                "orders/saga.py": "import valerix.orders.driving",
            },
            ": valerix.orders.driving -> valerix.orders.saga -> valerix.orders.driving",
        ),
    ),
    "class_names_are_unique": (
        Plant(
            {"orders/order.py": "class Line: ...", "payments/domain.py": "class Line: ..."},
            "payments/domain.py:1 defines Line again",
        ),
    ),
    "states_are_written_once": (
        *both(Role.USE_CASES, "orders/placing.py", "status = 'shipped'", ":1 says shipped"),
        *both(
            Role.REPOSITORY,
            "orders/repository/x.py",
            "WHERE = \"state = 'released'\"",
            ":1 says released",
        ),
        at("console/static/js/pages/order.js", 'if (status === "captured") {}', ":1 says captured"),
        at("console/static/js/pages/order.js", "const SAYING = { queued: 1 };", ":1 says queued"),
    ),
    # --- what a role may do
    "flows_take_clock_chance_and_ids_as_arguments": (
        *both(
            *(Role.USE_CASES, "orders/placing.py", f"{DATETIME}\ndatetime.now(UTC)"),
            ":2 calls datetime.datetime.now",
        ),
        *both(
            Role.FLOW, "orders/steps.py", "import random\nrandom.random()", ":2 calls random.random"
        ),
        *both(
            Role.FLOW, "orders/steps.py", "from time import time as t\nt()", ":2 calls time.time"
        ),
        at("payments/refunds.py", f"{IDS}\nnew_id()", ":2 calls valerix.contracts.ids.new_id"),
        at(
            "chassis/messaging/inbox.py", "import time as clock\nclock.time()", ":2 calls time.time"
        ),
        at(
            "users/use_cases.py",
            f"{IDS}\nimport random\nnew_id(); random.random()",
            ":3 calls random.random",
        ),
    ),
    "domain_is_pure": (
        *both(Role.PURE, "orders/order.py", "import asyncpg", ":1 imports asyncpg"),
        *both(
            Role.PURE, "orders/order.py", "from random import choice", ":1 imports random.choice"
        ),
        *both(Role.PURE, "orders/order.py", "import os.path", ":1 imports os.path"),
        *both(
            Role.PURE,
            "orders/transitions.py",
            "import valerix.orders.rows",
            ":1 imports valerix.orders.rows",
        ),
        *both(
            Role.PURE,
            "orders/order.py",
            "import valerix.chassis.cache",
            ":1 imports valerix.chassis.cache",
        ),
        *both(
            Role.PURE,
            "orders/order.py",
            PROBLEM,
            ":1 imports valerix.chassis.base.problems.Problem",
        ),
    ),
    "domain_errors_know_no_http": (
        *(
            plant
            for word in sorted(errors.OF_HTTP)
            for plant in both(
                Role.PURE,
                "orders/order.py",
                f"{REFUSAL}, {word} = 'busy', 1",
                f":2 gives Busy {word}",
            )
        ),
        at("psp/domain.py", WITH_HEADERS, ":3 gives Busy headers"),
        at(now(Role.USE_CASES), f"{REFUSAL} = 'busy'", ":1 defines Busy"),
    ),
    "domain_never_awaits_and_never_reads_the_clock": (
        *both(Role.PURE, "orders/transitions.py", "await moved", ":1 is async"),
        *both(Role.PURE, "orders/transitions.py", "async def move(): ...", ":1 is async"),
        *both(Role.PURE, "orders/order.py", "datetime.now(UTC)", ":1 reads the clock (now)"),
        *both(
            *(Role.PURE, "orders/order.py", "from valerix.contracts.ids import new_id"),
            ":1 imports valerix.contracts.ids.new_id",
        ),
    ),
    "repositories_never_read_the_clock_nor_draw": (
        *both(Role.REPOSITORY, "orders/repository/placing.py", "import uuid", ":1 imports uuid"),
        *both(
            Role.REPOSITORY,
            "orders/repository/x.py",
            "datetime.now(UTC)",
            ":1 reads the clock (now)",
        ),
    ),
    "sql_lives_in_repositories_migrations_and_the_chassis": (
        *both(Role.USE_CASES, "orders/placing.py", f"FOUND = {QUERY!r}", f":1 {QUERY!r}"),
        *both(Role.ROUTES, "orders/routes/place.py", f"FOUND = {QUERY!r}", f":1 {QUERY!r}"),
        at("client/orders.py", f"FOUND = f'{QUERY} {{ids}}'", f":1 {QUERY!r}"),
        *both(
            Role.USE_CASES,
            "orders/placing.py",
            "await tx.fetch(statement)",
            ":1 runs a statement (fetch)",
        ),
    ),
    "one_repository_function_is_one_statement": (
        *both(Role.REPOSITORY, "orders/repository/placing.py", TWO, ":1 save runs 2 statements"),
        *both(
            Role.REPOSITORY,
            "orders/repository/x.py",
            "async def save(tx): ...",
            ":1 save runs 0 statements",
        ),
        *both(Role.REPOSITORY, "orders/repository/x.py", SYNC, ":1 save runs 1 statements"),
    ),
    "repositories_give_no_rows_away": (
        at("users/repository/x.py", GIVING, ":1 find returns a Record"),
        at(now(Role.REPOSITORY, "payments"), GIVING, ":1 find returns a Record"),
    ),
    "services_take_no_arguments_of_any_name_and_type": (
        at("users/audit.py", "async def search(self, **filters: Any): ...", ":1 takes any filters"),
    ),
    "routes_name_the_services_that_call": (
        at(
            "orders/routes/x.py",
            "calls_from(*ServiceName)",
            ":1 opens a route to services it does not name",
        ),
        at(
            "chassis/http/x.py",
            "roles.Access(services=all)",
            ":1 opens a route to services it does not name",
        ),
    ),
    "the_environment_is_read_in_settings_only": (
        at("orders/settings.py", "import os; os.environ['HOME']", ":1 reads environ"),
        at("chassis/http/server.py", "HOME = os.environ['HOME']", ":1 reads environ"),
        at("chassis/http/server.py", "from os import getenv", ":1 imports os.getenv"),
    ),
    # --- what moves money and stock
    "what_moves_money_and_stock_is_built_from_the_order": (
        at("payments/routes.py", CHARGING, ":3 builds CapturePayment"),
        at("payments/captures.py", CHARGING, ":3 builds CapturePayment"),
        at("payments/routes.py", CONVERTING, ":2 builds CapturePayment"),
        at(
            "inventory/by_hand.py",
            "from valerix.contracts.commands import ReserveStock as R\nR('id', [])",
            RESERVED,
        ),
        at(
            "inventory/routes.py",
            "from valerix.inventory import domain\ndomain.Ending('id', 1)",
            ":2 builds Ending",
        ),
        *both(
            Role.USE_CASES,
            "orders/placing.py",
            f"import {COMMANDS}\n{COMMANDS}.VoidPayment()",
            VOIDED,
        ),
    ),
    "public_routes_take_no_command": (
        at("payments/routes.py", TAKING, ":4 takes CapturePayments in charge"),
        *both(
            *(
                Role.ROUTES,
                "orders/routes/place.py",
                TAKING.replace("data: CapturePayments", "data: commands.OrderRefs"),
            ),
            ":4 takes OrderRefs in charge",
        ),
    ),
    # --- text
    "patterns_end_at_the_end": (
        at("orders/order.py", 'import re\nre.compile("^a$")', ":2 has '^a$'"),
        at("orders/schemas.py", 'msgspec.Meta(pattern=PATTERN + "[$]$")', ":1 has '[$]$'"),
        at("contracts/text.py", 'CODE: Final = "^[A-Z]$"', ":1 has '^[A-Z]$'"),
    ),
    "patterns_of_input_have_a_name": (
        at("orders/schemas.py", 'msgspec.Meta(pattern="^a")', ":1 has a pattern of its own"),
        at("console/routes.py", 'Parameter(pattern=f"^({LEVELS})")', ":1 has a pattern of its own"),
    ),
    "routes_take_no_times": (
        at(
            "payments/routes.py",
            "@get(PATH)\nasync def f(since: Annotated[datetime, 1]): ...",
            ":2 takes the time since",
        ),
    ),
    "the_command_line_writes_in_one_place": (
        at("cli/orders.py", "print(order)", ":1 calls print"),
        at("cli/orders.py", "out = Console()", ":1 calls Console"),
        at("launcher/job.py", "sys.stdout.write(output)", ":1 calls sys.stdout.write"),
    ),
    "ids_are_shortened_in_one_place": (
        at(
            "console/static/js/pages/shop.js",
            "html`<code>${entry.id.slice(-12)}</code>`",
            ":1 cuts an id",
        ),
        at(
            "console/static/js/pages/logs.js",
            "traceId.slice(0, 8) + orderId.slice(0, 8)",
            ":1 cuts an id",
        ),
        at("cli/orders.py", "made.add_row(order.id[-12:])", ":1 cuts an id"),
        at("notifications/domain.py", "shown = order_id[:8]", ":1 cuts an id"),
    ),
    # --- the table of roles
    "every_folder_is_a_service_shared_or_a_root": (
        at("shipping/__init__.py", "", " is in no entry"),
    ),
    "every_listed_module_exists": (
        Plant(
            {},
            "orders/nowhere is listed as domain and does not exist",
            listed(Role.PURE, "orders.nowhere"),
        ),
    ),
    "every_module_has_the_role_it_looks_like": (
        at(
            "orders/search_repository.py",
            IMPURE,
            " is not listed as repository, but is named search_repository",
        ),
        at(
            "psp/repository/charges.py",
            IMPURE,
            " is not listed as repository, but is named repository",
        ),
        at(
            "orders/placing.py",
            "from litestar import post",
            " is not listed as routes, but imports litestar.post",
        ),
        at(
            *("orders/placing.py", "from valerix.chassis.http.raw import RawRoute"),
            " is not listed as routes, but imports valerix.chassis.http.raw.RawRoute",
        ),
        at(
            "orders/margins.py",
            "from decimal import Decimal",
            " is not listed as domain, but is pure",
        ),
    ),
    "services_have_the_same_files": (
        Plant(
            {"users/metrics.py": None},
            "users/ has no module with the role metrics",
            unlisted(Role.METRICS, "users.metrics"),
        ),
        Plant({"users/migrations/0001.sql": None}, "users/ has no migrations"),
    ),
    "migrations_state_the_oldest_code_that_may_go_on": (
        at(
            "orders/migrations/0999_x.sql",
            "-- later\n-- compatible_from: 0001\n",
            " states no version",
        ),
        at("users/migrations/0999_x.sql", "-- compatible_from: 1000\n", " states 1000"),
        at("users/migrations/0999_x.sql", "-- compatible_from: 0000\n", " states 0000"),
    ),
    "databases_are_opened_by_code_that_says_its_version": (
        at(
            now(Role.COMPOSITION),
            "opened = Database.open(url, 4)",
            ":1 opens a database without it",
        ),
        at(
            "chassis/messaging/outbox.py",
            "database.Database.open(url, 1, KEYED)",
            ":1 opens a database without it",
        ),
    ),
    # --- sizes and names
    "composition_roots_can_be_read_in_a_minute": (
        *both(
            Role.COMPOSITION,
            "orders/x.py",
            "\n" * (MAX_ROOT_LINES + 1),
            f" has {MAX_ROOT_LINES + 1} lines",
        ),
        Plant(
            {"psp/app.py": None},
            "psp/ has no composition root",
            unlisted(Role.COMPOSITION, "psp.app"),
        ),
    ),
    "no_file_grows_past_its_limit": tuple(
        at(path, "\n" * (MAX_FILE_LINES + 1), f" has {MAX_FILE_LINES + 1} lines")
        for path in (
            now(Role.USE_CASES),
            "client/models.py",
            "orders/repository/x.py",
            "/tests/test_x.py",
        )
    ),
    "nothing_is_called_utils": (
        at("orders/utils.py", IMPURE, ""),
        at("chassis/common/text.py", "", ""),
    ),
    "the_chassis_contains_no_business_word": (
        at(now(Role.ENVIRONMENT, "chassis"), "refund = 1", ":1 says refund"),
        at("chassis/messaging/bus/x.py", "def send(order_id): ...", ":1 says order_id"),
        at("chassis/calls/payments.py", "", " is named so"),
    ),
    "rooms_of_the_chassis_are_small": (
        Plant(
            {f"chassis/a/m{number}.py": "" for number in range(MAX_ROOM_MODULES + 1)},
            f"chassis/a/ has {MAX_ROOM_MODULES + 1} modules",
        ),
        Plant(
            {
                "chassis/problems.py": None,
                "chassis/settings.py": None,
                "chassis/a/x.py": "",
                "chassis/x.py": "",
            },
            "chassis/x.py is in no room",
            {Role.PLAIN: ("contracts",), Role.ENVIRONMENT: ("chassis.a",)},
            flat_chassis=False,
        ),
    ),
    "rooms_of_the_chassis_have_no_cycle": (
        Plant(
            {"chassis/a/x.py": "import valerix.chassis.b.x", "chassis/b/x.py": ""}
            | {"chassis/b/__init__.py": "import valerix.chassis.a.y", "chassis/a/y.py": ""},
            "chassis/: a -> b -> a",
        ),
    ),
    "rooms_of_the_chassis_know_few_others": (
        Plant(
            {
                f"chassis/{room}/x.py": "".join(
                    f"import valerix.chassis.{later}.x\n" for later in ROOMS[number + 1 :]
                )
                for number, room in enumerate(ROOMS)
            },
            "chassis/ has 28 arrows between rooms",
        ),
    ),
    # --- background work
    "endless_work_is_kept_running": (
        Plant(
            {
                "chassis/clock.py": "async def tick():\n    while True:\n        await x()",
                "chassis/begin.py": "import asyncio\ntask = asyncio.create_task(clock.tick())",
            },
            "chassis/begin.py:2 starts tick, which an error would end",
            flat_chassis=True,
        ),
        at(
            "launcher/begin.py",
            "async def watch(self):\n    while not self._stopping:\n        await x()\n"
            "def start(self):\n    loop.create_task(self.watch())",
            ":5 starts watch, which an error would end",
        ),
    ),
    # --- documents
    "documents_stay_short": (
        at("/ARCHITECTURE.md", "\n" * 281, " has 281 lines, not 280"),
        at("/docs/decisions/0001.md", "\n" * 41, " has 41 lines, not 40"),
    ),
    "locked_requirements_carry_hashes_and_no_address": (
        at(
            "/requirements.lock", "# https://example.org\na==1 --hash=sha256:0", " names an address"
        ),
        at("/requirements.lock", "a==1 --hash=sha256:0\nb==2", " has requirements without hashes"),
        at("/requirements-dev.lock", "", " is empty"),
    ),
}


def violations(tree: Tree) -> dict[str, list[str]]:
    return {name: found for name, rule in RULES.items() if (found := list(rule.check(tree)))}


def test_a_sound_tree_violates_no_rule(tmp_path: Path) -> None:
    assert violations(Plant({}, "").grow(tmp_path)) == {}


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        pytest.param(r, plant, id=f"{r}: {plant.found}")
        for r, plants in PLANTS.items()
        for plant in plants
    ],
)
def test_a_planted_violation_is_found(rule: str, plant: Plant, tmp_path: Path) -> None:
    assert violations(plant.grow(tmp_path)) == {rule: [full(plant.found)]}


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, plants in PLANTS.items() if plants} == RULES.keys()


def test_the_real_clock_as_a_default_is_no_violation(tmp_path: Path) -> None:
    text = f"{IDS}\nimport random\ndef f(make_id=new_id, chance=random.random): return make_id(), chance()"
    assert violations(Plant({now(Role.USE_CASES): text}, "").grow(tmp_path)) == {}


@pytest.mark.parametrize("path", states.HOMONYMS)
def test_a_word_that_means_something_else_is_no_violation(path: str, tmp_path: Path) -> None:
    said = "\n".join(f'x = "{word}"' for word in states.HOMONYMS[path])
    assert list(states.states_are_written_once(Plant({path: said}, "").grow(tmp_path))) == []
