"""The complete OpenAPI document of a platform: the public one leaves out what only those who run it may call."""

from collections.abc import Mapping
from typing import Any, Final

import requests

from tests.support.api import Api
from valerix.console.domain import merge

Document = dict[str, Any]
PATHS: Final = {name: f"/openapi/{name}.json" for name in ("orders", "inventory", "payments", "users", "notifications")}
"""Where the gateway has the document of each service."""


def complete(documents: Mapping[str, Document]) -> Document:
    """The documents of all services as one, nothing left out."""
    assert documents.keys() == PATHS.keys()
    return merge(documents, [], "tests")


async def complete_of(api: Api) -> Document:
    """Of the platform behind a gateway."""
    return complete({name: (await api.get(path)).json for name, path in PATHS.items()})


def complete_at(url: str) -> Document:
    """The same, blocking."""
    return complete({name: requests.get(url + path, timeout=60).json() for name, path in PATHS.items()})
