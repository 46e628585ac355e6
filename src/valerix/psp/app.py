"""Composition root of the simulated payment provider.

The provider is a stand-in for Stripe or Adyen and has nothing of Valerix inside.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import msgspec

from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.http.service import Service, ServiceParts, create_service
from valerix.psp.behaviour import ProviderBehaviour
from valerix.psp.book import Book
from valerix.psp.ledger import Ledger
from valerix.psp.routes import ledger_route, routes
from valerix.psp.schemas import PROBLEMS
from valerix.psp.use_cases import SimulatedProvider


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Settings of the simulated provider."""

    psp_secret: Annotated[str, msgspec.Meta(min_length=16)]
    ledger_file: Path
    address_limit: int = 0
    """0: no limit, because the callers are merchants, with all their requests from a few addresses.
    """


def create(settings: Settings) -> Service:
    """Create the ASGI application."""
    return create_service("psp", settings, compose)


async def compose(settings: Settings, resources: AsyncExitStack) -> ServiceParts:
    """Connect ledger → book → provider → routes."""
    book = Book()
    ledger = resources.enter_context(Ledger.open(settings.ledger_file, book.replay))
    writer = resources.enter_context(ThreadPoolExecutor(1, "ledger"))
    provider = SimulatedProvider(
        book,
        ledger,
        ProviderBehaviour(settings.slow_answer_seconds, settings.stall_seconds),
        writer,
    )
    return ServiceParts(
        routes=[ledger_route(provider, settings.psp_secret)],
        raw=routes(provider, settings.psp_secret),
        essentials={"ledger": provider.check_writable},
        problems=PROBLEMS,
    )
