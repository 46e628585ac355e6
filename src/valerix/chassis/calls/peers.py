"""Clients of the other services of the platform."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from valerix.chassis.base.settings import ServiceSettings, SettingsError
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.chassis.identity.tokens import TokenIssuer


async def open_peer(name: str, urls: Sequence[str], settings: ServiceSettings, resources: AsyncExitStack) -> HttpClient:
    """Calls to service `name`, signed with this service's own key. Raises SettingsError without a key."""
    if settings.signing_key_file is None:
        raise SettingsError("VALERIX_SIGNING_KEY_FILE is missing")
    opened = HttpClient.open(name, urls, Policy.of(settings), tokens=TokenIssuer(settings.signing_key_file))
    return await resources.enter_async_context(opened)
