"""Sends the acts of administrators to the audit, for services without a table of acts."""

from typing import Any, Final

import msgspec

from valerix.chassis.base import caller
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Unauthenticated, Unavailable
from valerix.chassis.calls.client import CallFailed, HttpClient, Refused
from valerix.chassis.chaos.use_cases import Recorder
from valerix.contracts.acts import RECORD_ACT, Actor, RecordAct

WAIT_SECONDS: Final = 5.0
_decoder = msgspec.json.Decoder(Any)


class ActNotRecorded(Unavailable):
    code, title = "act_not_recorded", "The act cannot be recorded"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Nothing was changed, because it could not be put on record: {reason}")


class PersonTokens:
    """Authorizes calls with the token of the person behind the request.

    The audit verifies the person itself. The calls need no key of the service's own, which the
    simulated provider does not have.
    """

    def for_service(self, _: str) -> str:
        """The token of the person behind the request. See TokenIssuer."""
        return caller.person_token.get()


def recorder_at(users: HttpClient) -> Recorder:
    """A recorder that sends acts to the service behind `users`."""

    async def record(act: RecordAct, _: Actor) -> None:
        try:
            await users.post(RECORD_ACT, act, _decoder, deadline=Deadline.after(WAIT_SECONDS))
        except CallFailed as error:
            if isinstance(error, Refused) and error.status == Unauthenticated.status:
                raise Unauthenticated(
                    error.reason
                ) from error  # its session has ended, which not every service has learned yet
            raise ActNotRecorded(str(error)) from error

    return record


async def no_recorder(_: RecordAct, __: Actor) -> None:
    """The recorder of a service without an audit. Raises ActNotRecorded."""
    raise ActNotRecorded("this service has no audit configured (VALERIX_USERS_URL)")
