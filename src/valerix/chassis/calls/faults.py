"""Faults of a service that stores them itself, for lack of a Valkey: read and ended over HTTP."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, Self

import msgspec

from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.problems import Unavailable
from valerix.chassis.base.settings import ServiceSettings, SettingsError
from valerix.chassis.calls.client import CallFailed, HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.chassis.calls.recording import PersonTokens
from valerix.chassis.chaos.routes import PATH
from valerix.chassis.chaos.use_cases import ServiceChaos
from valerix.chassis.identity.tokens import TokenIssuer
from valerix.contracts.faults import READ_FAULTS

WAIT_SECONDS: Final = 5.0
RETRIES: Final = 3
"""Also for the end of faults: a fault may just have killed the service."""
_state = msgspec.json.Decoder(ServiceChaos)


class FaultsUnreachable(Unavailable):
    code, title = "faults_unreachable", "A service with faults of its own cannot be reached"


class RemoteFaults:
    """Reads and ends the faults of another service.

    `reading` signs as this service, `ending` as the administrator behind the request.
    """

    def __init__(self, reading: HttpClient, ending: HttpClient) -> None:
        self.service = reading.dependency
        self._reading, self._ending = reading, ending

    @classmethod
    @asynccontextmanager
    async def open(
        cls, service: str, urls: Sequence[str], settings: ServiceSettings
    ) -> AsyncIterator[Self]:
        """Raises SettingsError without a signing key."""
        if settings.signing_key_file is None:
            raise SettingsError("VALERIX_SIGNING_KEY_FILE is missing")
        issuer, policy = (
            TokenIssuer(settings.signing_key_file),
            replace(Policy.of(settings), retries=RETRIES),
        )
        async with (
            HttpClient.open(service, urls, Policy.of(settings), tokens=issuer) as reading,
            HttpClient.open(service, urls, policy, tokens=PersonTokens()) as ending,
        ):
            yield cls(reading, ending)

    async def state(self) -> ServiceChaos:
        """The faults of the service. Raises FaultsUnreachable."""
        try:
            return await self._reading.get(
                READ_FAULTS, _state, deadline=Deadline.after(WAIT_SECONDS)
            )
        except CallFailed as error:
            raise FaultsUnreachable(str(error)) from error

    async def stop(self) -> None:
        """Ends the faults of the service. Raises FaultsUnreachable."""
        try:
            await self._ending.delete(PATH, _state, deadline=Deadline.after(WAIT_SECONDS))
        except CallFailed as error:
            raise FaultsUnreachable(str(error)) from error
