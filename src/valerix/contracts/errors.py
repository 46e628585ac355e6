"""The errors with which the rules of every service refuse.

Callers distinguish errors by code; the edge adds what HTTP needs.
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal by a rule.

    `code` is data, `extra` holds members for programs, and `detail` is text for people.
    """

    code: ClassVar[str]

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class OrderNotFound(DomainError):
    """No order has this id; raised by every service with operations on an order."""

    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("There is no order with this id")
