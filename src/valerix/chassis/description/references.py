"""References between the schemas of an OpenAPI document."""

from collections.abc import Callable, Iterator
from typing import Any, Final

PREFIX: Final = "#/components/schemas/"


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """A copy with every string value (not key) changed.

    Values outside `$ref` count, too: discriminator mappings also contain references.
    """
    if isinstance(value, dict):
        return {key: map_strings(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [map_strings(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value


def references(value: Any) -> Iterator[str]:
    """The names of the schemas to which `value` refers directly."""
    if isinstance(value, str) and value.startswith(PREFIX):
        yield value.removeprefix(PREFIX)
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from references(inner)
