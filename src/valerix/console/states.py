"""The states and their meaning as a JavaScript module.

So contracts.states is their only source for the pages, too.
"""

from enum import StrEnum
from typing import Final

import msgspec

from valerix.contracts.states import STATES, Status, label

PATH: Final = "/js/states.js"


def module() -> bytes:
    """The module: `OrderStatus = {PENDING: "pending", …}`, … and
    `meanings = {order: {pending: {label, tone, terminal, …}}, …}`.
    """
    names = [
        f"export const {kind.__name__} = Object.freeze({_json({s.name: s for s in kind})});"
        for kind in STATES
    ]
    meanings = {_word(kind): {status: _meaning(status) for status in kind} for kind in STATES}
    return "\n".join([*names, f"export const meanings = {_json(meanings)};", ""]).encode()


def _word(kind: type[StrEnum]) -> str:
    return kind.__name__.removesuffix("Status").lower()


def _meaning(status: Status) -> dict[str, object]:
    traits = [
        name for name, attribute in vars(type(status)).items() if isinstance(attribute, property)
    ]
    return {"label": label(status), **{_camel(name): getattr(status, name) for name in traits}}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
