"""What the rules of every service refuse with. Callers go by the code; what HTTP adds to it, the edge knows."""

from typing import Any, ClassVar


class DomainError(Exception):
    """`code` is data and `extra` members for programs; `detail` is for people."""

    code: ClassVar[str]

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class OrderNotFound(DomainError):
    """Refused by every service that is asked to do something for an order."""

    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("There is no order with this id")
