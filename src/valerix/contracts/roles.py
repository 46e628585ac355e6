"""Callers: the roles of people, the services of the platform, and the `access=` of routes.

The `access=` of a route names its permitted callers.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

CUSTOMER: Final = "customer"
OPERATOR: Final = "operator"
ADMIN: Final = "admin"
SERVICE: Final = "service"
"""The role in tokens that services sign; no route is open to this role as such."""
Role = Literal["customer", "operator", "admin"]


class ServiceName(StrEnum):
    """Services that call other services with tokens of their own.

    The worker is a part of orders and uses its key.
    """

    ORDERS = "orders"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    NOTIFICATIONS = "notifications"
    CONSOLE = "console"


@dataclass(frozen=True)
class Access:
    """The permitted callers of a route: people by role or services by name, never all services."""

    roles: frozenset[Role] = frozenset()
    services: frozenset[ServiceName] = frozenset()

    def __bool__(self) -> bool:
        """Whether a token is needed."""
        return bool(self.roles or self.services)

    @property
    def names(self) -> list[str]:
        """The names of the roles and services, sorted."""
        return sorted((*self.roles, *self.services))


def calls_from(*services: ServiceName) -> Access:
    """Return the access of an internal route: closed to people and to every other service."""
    if not services:
        raise TypeError("name the services that may call")
    return Access(services=frozenset(services))


PUBLIC: Final = Access()
"""No token is needed."""
ANYONE: Final = Access(frozenset({CUSTOMER, OPERATOR, ADMIN}))
"""Any signed-in person."""
STAFF: Final = Access(frozenset({OPERATOR, ADMIN}))
ADMINS: Final = Access(frozenset({ADMIN}))
