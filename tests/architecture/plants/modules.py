"""Violations by what a module imports, does, builds or says."""

from collections.abc import Mapping
from typing import Final

from tests.architecture import commands, errors
from tests.architecture.plants.plant import Plant, at, both, now
from tests.architecture.roles import Role

TWO: Final = "async def save(tx):\n    await tx.execute(one)\n    await tx.execute(two)\n"
SYNC: Final = "def save(tx):\n    return tx.execute(one)\n"
GIVING: Final = "async def find(tx) -> list[asyncpg.Record]:\n    return await tx.fetch(one)\n"
DATETIME: Final = "from datetime import UTC, datetime"
IDS: Final = "from valerix.contracts.ids import new_id"
PROBLEM: Final = "from valerix.chassis.base.problems import Problem"
REFUSAL: Final = "class Busy(errors.DomainError):\n    code"
WITH_HEADERS: Final = (
    "class Busy(DomainError):\n    def __init__(self):\n        super().__init__('', headers={})\n"
)
QUERY: Final = "SELECT id FROM orders"

COMMANDS: Final = commands.CONTRACTS
CHARGING: Final = (
    "from valerix.contracts import commands\n"
    "async def charge(data):\n    commands.CapturePayment(data.order_id)"
)
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
    "commands_load_no_server": (
        at("cli/main.py", "from litestar import get", ":1 imports litestar.get"),
        Plant(
            {"cli/main.py": "import valerix.audit.rules", "audit/rules.py": "import aio_pika"},
            "audit/rules.py:1 imports aio_pika",
        ),
    ),
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
}
