"""Callers: the roles of people, the services of the platform, and the `access=` of routes that names them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

CUSTOMER: Final = "customer"
OPERATOR: Final = "operator"
ADMIN: Final = "admin"
SERVICE: Final = "service"
"""Of tokens that services sign; no route is open to it as such."""
Role = Literal["customer", "operator", "admin"]


class ServiceName(StrEnum):
    """Services that call others with tokens of their own. The worker is a part of orders and has its key."""

    ORDERS = "orders"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    NOTIFICATIONS = "notifications"
    CONSOLE = "console"


@dataclass(frozen=True)
class Access:
    """The callers of a route: people by role or services by name, never services as such."""

    roles: frozenset[Role] = frozenset()
    services: frozenset[ServiceName] = frozenset()

    def __bool__(self) -> bool:
        """Whether a token is needed."""
        return bool(self.roles or self.services)

    @property
    def names(self) -> list[str]:
        """Sorted."""
        return sorted((*self.roles, *self.services))


def calls_from(*services: ServiceName) -> Access:
    """An internal route, closed to people and to every other service."""
    if not services:
        raise TypeError("name the services that may call")
    return Access(services=frozenset(services))


PUBLIC: Final = Access()
"""No token needed."""
ANYONE: Final = Access(frozenset({CUSTOMER, OPERATOR, ADMIN}))
"""Any signed-in person."""
STAFF: Final = Access(frozenset({OPERATOR, ADMIN}))
ADMINS: Final = Access(frozenset({ADMIN}))
