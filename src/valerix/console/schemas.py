"""What the console's own API says."""

from collections.abc import Sequence

import msgspec

from valerix.contracts.payment_methods import METHODS


class DemoAccount(msgspec.Struct, frozen=True, rename="camel"):
    email: str
    about: str


class Demo(msgspec.Struct, frozen=True, rename="camel"):
    password: str
    accounts: list[DemoAccount]


class Offer(msgspec.Struct, frozen=True, rename="camel"):
    """What this installation has to show, for whoever opens the page."""

    demo: Demo | None
    payment_methods: dict[str, str]
    """Name and label."""
    logs: bool = False
    chaos: bool = False


def offer(demo_password: str, demo_logins: Sequence[str]) -> Offer:
    """`demo_logins`: `e-mail=what it is`."""
    accounts = [DemoAccount(email, about) for email, _, about in (login.partition("=") for login in demo_logins)]
    return Offer(Demo(demo_password, accounts) if demo_password else None, METHODS)
