"""The session of a browser: two cookies that no script can read, and one for the CSRF check.

A page repeats the value of the third cookie to prove that it belongs to this application.
"""

from typing import Final

from litestar.datastructures import Cookie

from valerix.chassis.identity.cookies import ACCESS_COOKIE
from valerix.users.devices import MAX_AGE, SEPARATOR
from valerix.users.sessions import Grant
from valerix.users.tokens import TTL_SECONDS

REFRESH: Final = "valerix_refresh"
CSRF: Final = "valerix_csrf"
DEVICE: Final = "valerix_device"
"""The cookie of the device; it stays when the session ends."""
REFRESH_PATH: Final = "/api/v1/users"
"""The only path to which browsers send the refresh cookie and the device cookie."""


def held(grant: Grant, secure: bool) -> list[Cookie]:
    """The cookies of a session. `secure`: the browser came over TLS, and sends them only so."""
    lasting = round((grant.session.expires_at - grant.session.last_used_at).total_seconds())
    device = [
        _cookie(
            DEVICE,
            SEPARATOR.join(grant.devices),
            MAX_AGE.days * 86_400,
            path=REFRESH_PATH,
            secure=secure,
        )
    ]
    return [
        *(device if grant.devices else ()),
        _cookie(ACCESS_COOKIE, grant.access_token, TTL_SECONDS, secure=secure),
        _cookie(REFRESH, grant.refresh_token, lasting, path=REFRESH_PATH, secure=secure),
        _cookie(CSRF, grant.session.csrf or "", lasting, httponly=False, secure=secure),
    ]


def removed() -> list[Cookie]:
    return [
        _cookie(ACCESS_COOKIE, "", 0),
        _cookie(REFRESH, "", 0, path=REFRESH_PATH),
        _cookie(CSRF, "", 0, httponly=False),
    ]


def _cookie(
    name: str,
    value: str,
    max_age: int,
    *,
    path: str = "/",
    httponly: bool = True,
    secure: bool = False,
) -> Cookie:
    return Cookie(name, path, value, max_age, secure=secure, httponly=httponly, samesite="strict")
