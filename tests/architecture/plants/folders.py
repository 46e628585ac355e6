"""Violations by the place, size or name of a module, in background work and in documents."""

from collections.abc import Mapping
from typing import Final

from tests.architecture.plants.plant import Plant, at, both, listed, now, unlisted
from tests.architecture.roles import Role
from tests.architecture.rules import MAX_ROOM_MODULES, MAX_ROOT_LINES
from tests.architecture.sizes import MAX_FILE_LINES

IMPURE: Final = "import msgspec"
ROOMS: Final = "abcdefgh"

PLANTS: Final[Mapping[str, tuple[Plant, ...]]] = {
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
