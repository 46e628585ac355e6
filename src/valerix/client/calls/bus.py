"""Events that a service could not process."""

from itertools import chain
from typing import Final

from valerix.client import models
from valerix.client.calls.pieces import Calls, Pages
from valerix.client.reading import read_as
from valerix.client.steps import Flow, Request
from valerix.contracts import events

CONSUMERS: Final = tuple(sorted(set(chain.from_iterable(events.CONSUMERS.values()))))
"""Services with dead letters: every service that consumes events has its own."""


class DeadLetters(Calls):
    """Events that one of CONSUMERS could not process. For staff."""

    def list(self, consumer: str, *, waiting: bool = False) -> Pages[models.DeadLetterView]:
        """Dead letters of `consumer`, oldest first.

        `waiting`: only those that no replay has processed yet.
        """
        return Pages(
            self._session,
            _path(consumer),
            models.DeadLetterView,
            waiting="true" if waiting else None,
        )

    def get(self, consumer: str, letter_id: int) -> Flow[models.DeadLetter]:
        """One dead letter with its event. Raises NotFound."""
        return self._get(f"{_path(consumer)}/{letter_id}", models.DeadLetter)

    def replay(self, consumer: str, letter_id: int) -> Flow[models.DeadLetter]:
        """Process a dead letter again; one that a replay has processed before is left as it is.

        Raises NotFound, or Conflict with the cause while the event still cannot be processed.
        """
        request = Request("POST", f"{_path(consumer)}/{letter_id}/replay")
        return self._session.call(request, read_as(models.DeadLetter), repeatable=True)


def _path(consumer: str) -> str:
    """The path of a consumer's dead letters.

    Raises ValueError for a service that consumes no events.
    """
    if consumer not in CONSUMERS:
        raise ValueError(f"{consumer!r} is none of {', '.join(CONSUMERS)}")
    return f"/api/v1/{consumer}/dead-letters"
