"""Routes for the dead letters of one consumer: show them, and replay them once mended."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import Parameter

from valerix.chassis.base import pagination
from valerix.chassis.base.problems import Conflict
from valerix.chassis.messaging import acts
from valerix.chassis.messaging.acts import Record, act_of
from valerix.chassis.messaging.inbox import TRANSIENT, DeadLetterNotFound, Inbox
from valerix.chassis.messaging.repository import DeadLetter
from valerix.chassis.postgres.database import Transaction
from valerix.contracts.acts import DEAD_LETTER_REPLAYED, Actor
from valerix.contracts.events import Event
from valerix.contracts.roles import STAFF

LetterId = Annotated[int, Parameter(ge=1, le=2**62)]


class StillFails(Conflict):
    code, title = "still_fails", "The event still cannot be processed"

    def __init__(self, consumer: str, letter_id: int, error: Exception) -> None:
        super().__init__(
            f"{consumer} still cannot process dead letter {letter_id},"
            f" nothing was changed: {error!r}"
        )


class DeadLetterView(msgspec.Struct, frozen=True, rename="camel"):
    """A dead letter without the event itself, which may be large."""

    id: int
    """Counts per consumer."""
    consumer: str
    event_type: str
    subject: str
    error: str
    attempts: int
    failed_at: datetime
    replayed_at: datetime | None
    """Null until a replay has processed it."""


def dead_letter_routes(resource: str, inbox: Inbox, record: Record = acts.record) -> list[Any]:
    """List, show and replay, below `/api/v1/<resource>/dead-letters`.

    `record` puts a replay on record.
    """
    path = f"/api/v1/{resource}/dead-letters"

    @get(path, access=STAFF, tags=["bus"], operation_id=f"list{resource.capitalize()}DeadLetters")
    async def list_dead_letters(
        limit: pagination.Limit = pagination.DEFAULT_LIMIT,
        cursor: pagination.Cursor = None,
        waiting: bool = False,
    ) -> pagination.Page[DeadLetterView]:
        """List the events that could not be processed, oldest first.

        `waiting`: only those that were not replayed successfully.
        """
        after = (
            0 if cursor is None else pagination.decode_cursor(cursor, tuple[pagination.Integer])[0]
        )
        letters = await inbox.list_dead(after, limit + 1, waiting=waiting)
        page = pagination.page(letters, limit, lambda letter: pagination.encode_cursor(letter.id))
        return pagination.Page([_view(letter) for letter in page.items], page.next_cursor)

    @get(
        path + "/{letter_id:int}",
        access=STAFF,
        tags=["bus"],
        operation_id=f"get{resource.capitalize()}DeadLetter",
        refuses=[DeadLetterNotFound],
    )
    async def get_dead_letter(letter_id: LetterId) -> DeadLetter:
        """Show one dead letter with its event."""
        return await inbox.get_dead(letter_id)

    @post(
        path + "/{letter_id:int}/replay",
        access=STAFF,
        tags=["bus"],
        status_code=200,
        operation_id=f"replay{resource.capitalize()}DeadLetter",
        refuses=[DeadLetterNotFound, StillFails],
    )
    async def replay_dead_letter(letter_id: LetterId, actor: Actor | None) -> DeadLetter:
        """Process the event of a dead letter again. A letter that was replayed successfully stays
        unchanged.

        409 when the event still cannot be processed: then nothing was changed.
        """

        async def put_on_record(tx: Transaction, event: Event) -> None:
            what = {"eventType": event.type, "eventSubject": event.subject}
            await record(
                tx, act_of(actor, DEAD_LETTER_REPLAYED, f"{inbox.consumer}#{letter_id}", **what)
            )

        try:
            return await inbox.replay(letter_id, put_on_record)
        except (DeadLetterNotFound, *TRANSIENT):
            raise
        except Exception as error:
            raise StillFails(inbox.consumer, letter_id, error) from error

    return [list_dead_letters, get_dead_letter, replay_dead_letter]


def _view(letter: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        id=letter.id,
        consumer=letter.consumer,
        event_type=str(letter.event.get("type", "unreadable")),
        subject=str(letter.event.get("subject", "")),
        error=letter.error,
        attempts=letter.attempts,
        failed_at=letter.failed_at,
        replayed_at=letter.replayed_at,
    )
