"""The history of a user: every change, with the event that publishes it."""

from collections.abc import Callable

import msgspec

from valerix.chassis.base import telemetry
from valerix.chassis.postgres.database import Transaction
from valerix.users.domain import User
from valerix.users.repository import accounts
from valerix.users.schemas import UserView, user_view


async def append(
    tx: Transaction, user: User, kind: str, actor: str, show: Callable[[User], UserView] = user_view
) -> None:
    """Append the current state of the user, at its version. `show` makes the data of the event."""
    data = msgspec.json.encode(show(user)).decode()
    await accounts.append_event(
        tx, user.id, user.version, kind, data, actor, telemetry.trace_id.get()
    )
