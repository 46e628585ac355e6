"""Locates the data of a stack: its databases, each with its own role, and the provider's ledger."""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from valerix.audit.snapshot import ReadLedger, Sources
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.launcher import postgres
from valerix.launcher.credentials import Credentials
from valerix.launcher.state import StackState
from valerix.launcher.topology import DATABASE_NAMES, POSTGRES
from valerix.psp.schemas import LedgerCharge, LedgerPage

PAGE: Final = 10_000
PAGE_SECONDS: Final = 60.0
_pages = msgspec.json.Decoder(LedgerPage)


def of_stack(state: StackState) -> Sources:
    """Return the sources of a running stack."""
    credentials, port = Credentials(state.data_dir), state.ports[POSTGRES]
    passwords = credentials.database_passwords
    databases = {name: postgres.url(port, name, passwords[name], name) for name in DATABASE_NAMES}
    return Sources(
        databases, ledger_at(f"http://127.0.0.1:{state.ports['psp']}", credentials.psp_secret)
    )


def ledger_at(url: str, secret: str) -> ReadLedger:
    """Return a function that reads the charges of the provider at `url`, page by page."""

    async def read() -> AsyncIterator[list[LedgerCharge]]:
        headers = {"authorization": f"Bearer {secret}"}
        async with HttpClient.open(
            "psp", [url], Policy(timeout_seconds=PAGE_SECONDS), headers=headers
        ) as provider:
            after: int | None = 0
            while after is not None:
                page = await provider.get(f"/v1/ledger?after={after}&limit={PAGE}", _pages)
                yield page.charges
                after = page.next

    return read
