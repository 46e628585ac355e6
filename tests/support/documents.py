"""The complete OpenAPI document of a platform: the public one omits the operations for operators of
the platform.
"""

from collections.abc import Mapping
from typing import Any, Final

import requests

from tests.support.api import Api
from valerix.console.domain import merge

Document = dict[str, Any]
PATHS: Final = {
    name: f"/openapi/{name}.json"
    for name in ("orders", "inventory", "payments", "users", "notifications")
}
"""The path of each service's document at the gateway."""


def complete(documents: Mapping[str, Document]) -> Document:
    """Merges the documents of all services into one, with no operation omitted."""
    assert documents.keys() == PATHS.keys()
    return merge(documents, [], "tests")


async def complete_of(api: Api) -> Document:
    """Returns the complete document of the platform behind a gateway."""
    return complete({name: (await api.get(path)).json for name, path in PATHS.items()})


def complete_at(url: str) -> Document:
    """Returns the same as `complete_of`, for blocking code."""
    return complete(
        {name: requests.get(url + path, timeout=60).json() for name, path in PATHS.items()}
    )
