"""A merged OpenAPI document as a list of operations."""

from typing import Any, NamedTuple

METHODS = ("get", "post", "put", "delete")
RESOURCES = {
    "products": "inventory",
    "warehouses": "inventory",
    "customers": "users",
    "chaos": "console",
    "jwks.json": "users",
}
"""Services by the first word of their paths, where that is not their name."""


class Described(NamedTuple):
    """One operation. `id` is the document's; those of `name` are the same in every service."""

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
        """Whose operation it is."""
        words = self.path.removeprefix("/api/v1").strip("/").split("/")
        resource = words[-1] if words[0] in ("chaos", "resilience", ".well-known") else words[0]
        return RESOURCES.get(resource, resource)


def operations(document: dict[str, Any]) -> list[Described]:
    """In the order of the document."""
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
