"""Decides which tests run on one worker, and which start first, when tests run in parallel. A
pytest plugin.

The tests of a module stay together, and so do those of all modules that share a stack (GROUPS).
pytest-xdist's own `--dist loadgroup` does not group with pytest 9.2 (its issue 1386), hence the
scheduler.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

PAIRS: Final = ("--replicas", "inventory=2", "--replicas", "orders=2")
"""Two copies of each service: races need two."""
CONSOLES: Final = ("--replicas", "console=2", "--replicas", "notifications=2")
QUICK: Final = {"drain_seconds": "0", "dwell_seconds": "0.3", "sweep_pause_seconds": "0.1"}
"""The warehouse completes orders within a second or two."""
STILL: Final = {"dwell_seconds": "3600"}
"""The warehouse waits, so orders stay confirmed."""
TRAEFIK: Final = {"gateway": "traefik"}
"""All other stacks have the default gateway: pages are tested through each gateway."""
UNBOUNDED: Final = dict.fromkeys(
    ("customer_waiting_orders", "customer_unpaid_units", "customer_declines"), "0"
)
"""One customer places as many orders as many customers would."""
UNLIMITED: Final = UNBOUNDED | dict.fromkeys(
    (
        "guesses_here",
        "guesses_per_address",
        "guesses_per_account",
        "guesses_per_device",
        "registrations_per_address",
        "conflicts_per_address",
        "mails_per_account",
        "mails_per_address",
    ),
    "0",
)
"""Sign-ins are not limited, either."""
ORDINARY: Final = 5
"""Seconds that a module outside the groups may take."""


@dataclass(frozen=True)
class Group:
    """Modules with tests that need a whole stack.

    `seconds`: their duration on two cores; the longest start first. The shared stack is started
    with `options` of `up` and `VALERIX_…` settings by field name; `sound`: whether the books must
    balance after the tests.
    """

    name: str
    modules: tuple[str, ...]
    seconds: int = ORDINARY
    word: str = ""
    """Restricts the group to tests with this text in their id."""
    options: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    sound: bool = True

    def has(self, test: str) -> bool:
        path, _, name = test.partition("::")
        return path in self.modules and self.word in name


def _browser(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/browser/test_{name}.py" for name in names)


def _system(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/system/test_{name}.py" for name in names)


ORDERS: Final = _system(
    *("happy_path", "races", "refusals", "shortage", "operators", "sessions"),
    *("client", "audit", "breaker", "load", "refunds", "thirty_seconds", "acts"),
)
PAGES: Final = _browser("customers", "entering", "orders", "payments", "racing", "shop", "stock")
GROUPS: Final = (
    Group("kill", _system("kill", "waiting"), 85, options=PAIRS, settings=STILL | UNBOUNDED),
    Group("chaos", _system("chaos"), 130, options=PAIRS, settings=STILL | UNBOUNDED),
    Group("orders", ORDERS, 165, options=PAIRS, settings=STILL | UNBOUNDED),
    Group("claims", _system("claims"), 60, settings=STILL | UNBOUNDED | {"hourly_limit": "100000"}),
    # Generated calls include races for money.
    Group(
        "fuzz",
        _system("fuzz", "model"),
        90,
        options=(*PAIRS, "--replicas", "payments=2"),
        settings=STILL | UNLIMITED | {"chaos": "disabled"},
    ),
    # A charge of the provider without a payment breaks the books on purpose.
    Group(
        "matrix",
        _system("authorization_matrix"),
        40,
        settings=STILL | UNLIMITED | {"chaos": "enabled"},
        sound=False,
    ),
    Group(
        "defaults", _system("defaults"), 300, options=PAIRS, settings=STILL | {"time_scale": "1"}
    ),
    Group("events on Valkey", _system("events"), 70, word="[valkey]"),
    Group("events on RabbitMQ", _system("events"), 75, word="[rabbitmq]"),
    # Some of its orders were inserted, not placed: tests search for them and show them.
    Group("pages", PAGES, 255, options=CONSOLES, settings=QUICK | TRAEFIK, sound=False),
    Group(
        "broken pages",
        _browser("breaking", "losing", "watching"),
        160,
        options=CONSOLES,
        settings=QUICK,
    ),
    Group("strangers", ("tests/strangers/test_tools.py",), 40, settings=STILL),
    Group("overload", _system("overload"), 26),
    Group("mail", _system("mail"), 17),
    Group("full disk", _system("full_disk"), 60),
    Group("old data", ("tests/upgrade/test_old_data.py",), 40),
    Group("two versions", ("tests/upgrade/test_versions.py",), 35),
    Group("HTTPS", _system("tls"), 25),
    Group("launcher", ("tests/launcher/test_stack.py",), 105),
    Group("benchmark", ("tests/bench/test_bench.py",), 60),
)


def group_of(test: str) -> Group | None:
    """Returns the group of a test by its id; None for a test that needs no whole stack."""
    return next((group for group in GROUPS if group.has(test)), None)


TOGETHER: Final = ("tests/bus/",)
"""Folders whose modules run on one worker: they share brokers, and RabbitMQ is costly to start."""


def unit_of(test: str) -> str:
    """Returns the unit that runs on one worker: the name of the test's group, one of TOGETHER, or
    the path of its module.
    """
    if group := group_of(test):
        return group.name
    folder = next((folder for folder in TOGETHER if test.startswith(folder)), None)
    return folder or test.partition("::")[0]


SECONDS: Final = {group.name: group.seconds for group in GROUPS} | {
    "tests/bus/": 60,
    "tests/matrix/test_acts.py": 40,
    "tests/payments/test_capture.py": 26,
    "tests/matrix/test_authorization_matrix.py": 30,
    "tests/pins/test_pins.py": 30,
    "tests/notifications/test_live.py": 30,
    "tests/launcher/test_postgres.py": 20,
    "tests/orders/test_one_answer.py": 28,
    "tests/users/test_sessions.py": 24,
    "tests/cli/test_commands.py": 18,
    "tests/client/test_sending_again.py": 18,
    "tests/inventory/test_api.py": 16,
    "tests/payments/test_void.py": 16,
    "tests/payments/test_refunds_by_hand.py": 14,
    "tests/payments/test_api.py": 12,
    "tests/users/test_limits.py": 20,
    "tests/gateway/test_arriving.py": 15,
    "tests/users/test_access.py": 12,
    "tests/users/test_accounts.py": 11,
    "tests/users/test_keys.py": 9,
    "tests/payments/test_owed.py": 9,
    "tests/matrix/test_walk.py": 10,
    "tests/audit/test_replay.py": 10,
    "tests/audit/test_rules.py": 8,
    "tests/launcher/test_bootstrap.py": 8,
    "tests/launcher/test_serve.py": 8,
    "tests/notifications/test_hub.py": 8,
    "tests/test_ids.py": 8,
}


COLLECTED: Final = pytest.StashKey[list[str]]()
"""Ids of all collected tests, before some are selected."""


@pytest.hookimpl(tryfirst=True)  # before tests are selected by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that need a whole stack, sort tests of one unit together, and start with the
    longest units.
    """
    for item in items:
        if group_of(item.nodeid):
            item.add_marker("stack")
    config.stash[COLLECTED] = [item.nodeid for item in items]
    units = {item: unit_of(item.nodeid) for item in items}
    items.sort(key=lambda item: (-SECONDS.get(units[item], ORDINARY), units[item]))


class ByUnit(LoadScopeScheduling):  # type: ignore[misc]  # the base class has no types
    """Assigns units to a worker one after another, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByUnit:
    return ByUnit(config, log)
