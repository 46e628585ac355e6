"""Clients of the other services of the platform."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Protocol, TypeVar

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.settings import ServiceSettings, SettingsError
from valerix.chassis.calls.client import CallFailed, HttpClient, NotSent, Report
from valerix.chassis.calls.policy import Policy
from valerix.chassis.identity.tokens import TokenIssuer

T = TypeVar("T")


class Peer(Protocol):
    """A service that can be called (HttpClient)."""

    async def post(
        self,
        path: str,
        body: msgspec.Struct,
        answer: "msgspec.json.Decoder[T]",
        *,
        deadline: Deadline | None = None,
        report: Report | None = None,
    ) -> T:
        """See HttpClient.post. Raises CallFailed."""


async def open_peer(
    name: str, urls: Sequence[str], settings: ServiceSettings, resources: AsyncExitStack
) -> HttpClient:
    """A client for service `name` that signs with this service's own key.

    Raises SettingsError without a key.
    """
    if settings.signing_key_file is None:
        raise SettingsError("VALERIX_SIGNING_KEY_FILE is missing")
    opened = HttpClient.open(
        name, urls, Policy.of(settings), tokens=TokenIssuer(settings.signing_key_file)
    )
    return await resources.enter_async_context(opened)


async def ask(
    peer: Peer,
    path: str,
    body: msgspec.Struct,
    answer: "msgspec.json.Decoder[T]",
    deadline: Deadline,
) -> T:
    """Makes a call that changes nothing.

    Raises NotSent for every failure: without an effect, no outcome can be unknown.
    """
    try:
        return await peer.post(path, body, answer, deadline=deadline)
    except CallFailed as failure:
        raise NotSent(failure.dependency, failure.reason, failure.retry_after_seconds) from failure
