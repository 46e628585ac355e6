"""The table of modules and their roles, which the rules use. Update it when a module moves.

A name below `valerix` stands for that module and for all modules in the folder of that name.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

SERVICES: Final = ("console", "inventory", "notifications", "orders", "payments", "psp", "users")
STORING: Final = ("inventory", "notifications", "orders", "payments", "users")
"""Services that own a database."""
SHARED: Final = ("chassis", "client", "contracts")
ROOTS: Final = ("audit", "bench", "cli", "launcher")
"""Composition roots: they may import services, never the reverse."""
HOLDS_SQL: Final = ("audit", "bench", "chassis")
"""Folders that may contain SQL without a repository."""
FLAT_CHASSIS: Final = False
"""Whether modules of the chassis may be outside its sub-packages (rooms)."""


class Role(StrEnum):
    """A module's role. The value is a telling name: a service's module or folder of that name must
    be listed with the role.
    """

    COMPOSITION = "app"
    ROUTES = "routes"
    CONSUMERS = "consumers"
    SCHEMAS = "schemas"
    USE_CASES = "use_cases"
    FLOW = "flow"
    """Runs within use cases: flows and use cases take clock, chance and ids as arguments."""
    PURE = "domain"
    """Rules without I/O, clock and chance."""
    REPOSITORY = "repository"
    """SQL statements, one per function."""
    METRICS = "metrics"
    ENVIRONMENT = "environment"
    """Reads the environment."""
    PLAIN = "plain"
    """Modules that pure modules may import besides the standard library and one another."""


Roles = Mapping[Role, tuple[str, ...]]


def _of(services: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(f"{service}.{name}" for service in services)


ROLES: Final[Roles] = {
    Role.COMPOSITION: (*_of(SERVICES, "app"), "orders.worker"),
    Role.ROUTES: (
        *_of(SERVICES, "routes"),
        *("console.feed", "console.files", "notifications.describing", "notifications.live"),
        *("users.mail_routes", "users.session_routes"),
    ),
    Role.CONSUMERS: (
        "inventory.consumers",
        "notifications.consumers",
        "orders.consumers",
        "users.consumers",
    ),
    Role.SCHEMAS: _of(SERVICES, "schemas"),
    Role.USE_CASES: (
        *(
            "console.use_cases",
            "inventory.use_cases",
            "notifications.use_cases",
            "payments.use_cases",
            "psp.use_cases",
        ),
        *(
            "inventory.by_hand",
            "inventory.catalogue",
            "inventory.reserving",
            "inventory.waiting_list",
        ),
        *(
            "orders.acts",
            "orders.changes",
            "orders.driving",
            "orders.fulfilment",
            "orders.placing",
            "orders.queries",
            "orders.refunds",
            "payments.captures",
            "payments.refunds_by_hand",
            "payments.searching",
            "payments.refund_reports",
            "users.use_cases",
        ),
    ),
    Role.FLOW: (
        *("chassis.messaging.inbox", "chassis.messaging.outbox", "orders.saga"),
        *("payments.processor", "payments.provider", "payments.refunds"),
    ),
    Role.PURE: (
        *(
            "chassis.description.references",
            "console.domain",
            "console.health",
            "console.history",
            "console.problems",
            "console.readings",
            "inventory.domain",
            "notifications.domain",
        ),
        *("inventory.permitted", "inventory.settling", "inventory.waiting"),
        *(
            "orders.bounds",
            "orders.decisions",
            "orders.errors",
            "orders.order",
            "orders.requests",
            "orders.transitions",
        ),
        *("payments.domain", "payments.owed", "psp.domain", "users.devices", "users.domain"),
    ),
    Role.REPOSITORY: _of(STORING, "repository"),
    Role.METRICS: _of(STORING, "metrics"),
    Role.ENVIRONMENT: ("chassis.base.settings",),
    Role.PLAIN: ("contracts",),
}
IN_EVERY_STORING_SERVICE: Final = (
    *(
        Role.COMPOSITION,
        Role.ROUTES,
        Role.SCHEMAS,
        Role.USE_CASES,
        Role.PURE,
        Role.REPOSITORY,
        Role.METRICS,
    ),
)
TOLD_BY_IMPORT: Final = {
    "create_service": Role.COMPOSITION,
    "Inbox": Role.CONSUMERS,
} | dict.fromkeys(
    ("delete", "get", "patch", "post", "put", "command_route", "RawRoute", "Socket"), Role.ROUTES
)
"""Names of litestar and the chassis that a service's modules import in one role only."""


def has_role(listed: tuple[str, ...], name: str) -> bool:
    """Whether the list contains the full name of a module, or the module of a name."""
    return any(f"{name}.".startswith(f"valerix.{one}.") for one in listed)
