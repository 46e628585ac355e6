"""Who may call: the four roles, and the sets of them that routes declare as `access=`."""

from typing import Final

CUSTOMER: Final = "customer"
OPERATOR: Final = "operator"
ADMIN: Final = "admin"
SERVICE: Final = "service"

PUBLIC: Final[frozenset[str]] = frozenset()
"""No token needed."""
ANYONE: Final = frozenset({CUSTOMER, OPERATOR, ADMIN})
"""Any signed-in person."""
STAFF: Final = frozenset({OPERATOR, ADMIN})
ADMINS: Final = frozenset({ADMIN})
SERVICES: Final = frozenset({SERVICE})
STAFF_AND_SERVICES: Final = STAFF | SERVICES
