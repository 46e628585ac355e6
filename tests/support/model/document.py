"""Reads a merged OpenAPI document as a list of operations."""

from typing import Any, NamedTuple

METHODS = ("get", "post", "put", "delete")
RESOURCES = {
    "products": "inventory",
    "warehouses": "inventory",
    "customers": "users",
    "chaos": "console",
    "jwks.json": "users",
}
"""Services by the first segment of their paths, where it differs from the service's name."""


class Described(NamedTuple):
    """One operation. `id` is the merged document's; `name` is the operation id within its service,
    which other services may share.
    """

    id: str
    method: str
    path: str
    parameters: list[str]
    statuses: frozenset[str]
    public: bool

    @property
    def name(self) -> str:
        return self.id.rpartition(".")[2]

    @property
    def service(self) -> str:
        """The service that has the operation."""
        words = self.path.removeprefix("/api/v1").strip("/").split("/")
        resource = words[-1] if words[0] in ("chaos", "resilience", ".well-known") else words[0]
        return RESOURCES.get(resource, resource)


def operations(document: dict[str, Any]) -> list[Described]:
    """Returns the operations in the order of the document."""
    return [
        Described(
            operation["operationId"],
            method.upper(),
            path,
            [parameter["name"] for parameter in operation.get("parameters", [])],
            frozenset(operation["responses"]),
            not operation.get("security"),
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]
