"""Tokens in cookies.

A browser also adds cookies to requests that another page tricked it into. A request that changes
something by cookie therefore repeats the token's `csrf` claim in X-CSRF-Token.
"""

import hmac
from typing import Final

from valerix.chassis.base.problems import Forbidden

ACCESS_COOKIE: Final = "valerix_access"
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class CsrfTokenMissing(Forbidden):
    """The request has a cookie, but lacks the token that only a page of this site can know."""

    code, title = "csrf_token_missing", "The CSRF token is missing"

    def __init__(self) -> None:
        super().__init__(f"Repeat the value of the cookie valerix_csrf in the header {CSRF_HEADER}")


def read_cookie(header: str, name: str) -> str | None:
    """The value of one cookie of a `Cookie` header; None when it is absent."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None


def check_csrf(expected: str | None, sent: str | None) -> None:
    """Raises CsrfTokenMissing unless the header value `sent` equals `expected`.

    A session outside a browser has no expected value, so it is refused.
    """
    if not expected or not sent or not hmac.compare_digest(expected.encode(), sent.encode()):
        raise CsrfTokenMissing
