"""Decodes the bytes of an answer into a model."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from valerix.client.errors import UnreadableAnswer
from valerix.client.steps import Answer

T = TypeVar("T")


def read_as(kind: type[T]) -> Callable[[Answer], T]:
    """A reader of successful answers. It raises UnreadableAnswer."""
    decoder = msgspec.json.Decoder(kind)

    def read(answer: Answer) -> T:
        try:
            return decoder.decode(answer.body)
        except msgspec.MsgspecError as error:
            raise UnreadableAnswer(
                f"The server's answer cannot be read as {kind.__name__}: {error}"
            ) from error

    return read


def read_nothing(_: Answer) -> None:
    """Ignores the answer, for calls that return nothing."""
