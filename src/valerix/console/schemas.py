"""Bodies of the console's own API."""

import msgspec

from valerix.console.settings import Settings
from valerix.contracts.payment_methods import METHODS


class DemoAccount(msgspec.Struct, frozen=True, rename="camel"):
    """An account of the demo data, with a description for the sign-in page."""

    email: str
    about: str


class Demo(msgspec.Struct, frozen=True, rename="camel"):
    """The demo accounts and the password that they share."""

    password: str
    accounts: list[DemoAccount]


class Features(msgspec.Struct, frozen=True, rename="camel"):
    """The features of this installation, as the pages need them before sign-in."""

    demo: Demo | None
    payment_methods: dict[str, str]
    """Label by name."""
    logs: bool = False
    chaos: bool = False


def offer(settings: Settings) -> Features:
    """The features that the settings allow."""
    logins = (login.partition("=") for login in settings.demo_logins)
    accounts = [DemoAccount(email, about) for email, _, about in logins]
    return Features(
        demo=Demo(settings.demo_password, accounts) if settings.demo_password else None,
        payment_methods=METHODS,
        logs=settings.logs_folder is not None,
        chaos=settings.chaos == "enabled",
    )
