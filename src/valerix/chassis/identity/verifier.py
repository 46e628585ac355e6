"""Verification of access tokens. Every service verifies them itself.

One algorithm is pinned; the headers `jku`, `x5u` and `jwk` are never read (RFC 8725). The issuer
for people may grant people's roles, every other issuer only its own `service` role. So a stolen
service key can become neither an administrator nor another service.

Programs send the token as a bearer token; browsers keep it in a cookie that no script can read.
"""

import time
from collections.abc import Callable, Container, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

import jwt
import msgspec

from valerix.chassis.base import caller
from valerix.chassis.base.problems import Forbidden, Unauthenticated, challenge
from valerix.chassis.identity.cookies import (
    ACCESS_COOKIE,
    CSRF_HEADER,
    SAFE_METHODS,
    check_csrf,
    read_cookie,
)
from valerix.chassis.identity.keys import ALGORITHM, KeyRing
from valerix.chassis.identity.tokens import (
    ISSUER_PREFIX,
    MAX_TTL_SECONDS,
    PEOPLE_ISSUER,
    PUBLIC_AUDIENCE,
    SERVICE_ROLE,
    TOKEN_TYPE,
    Principal,
)
from valerix.contracts.roles import Access

MAX_TOKEN_LENGTH: Final = 4096
CACHED_TOKENS: Final = 10_000
INVALID_TOKEN: Final = "invalid_token"  # noqa: S105 - a word of RFC 6750
INSUFFICIENT: Final = challenge("insufficient_scope")
INVALID: Final = "The access token is not valid, has expired or was revoked; sign in again"
UNREADABLE: Final = (
    jwt.InvalidTokenError,
    msgspec.ValidationError,
    ValueError,
    OverflowError,
    RecursionError,
)
"""Errors of reading a token: values of another type, numbers and brackets without end."""


class _Claims(msgspec.Struct, frozen=True):
    """The claims of a signed token."""

    sub: str
    role: str
    iat: int
    exp: (
        Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
        | Annotated[float, msgspec.Meta(ge=0, lt=2**53)]
    )
    own: str | None = None
    sid: str | None = None
    csrf: str | None = None


class Verifier:
    """Turns a token into a Principal. A token seen before costs one dictionary look-up.

    `revoked`: ids of sessions. Their tokens are refused although they have not expired.
    """

    def __init__(
        self,
        keys: KeyRing,
        service: str,
        revoked: Container[str | None] = frozenset(),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._audiences = {PUBLIC_AUDIENCE, f"valerix:{service}"}
        self._revoked = revoked
        self._now = now
        self._seen: dict[str, Principal] = {}

    def authenticate(self, headers: Mapping[bytes, bytes], method: str) -> Principal:
        """The caller by bearer token, else by cookie. Raises Unauthenticated, CsrfTokenMissing."""
        authorization = headers.get(b"authorization")
        if authorization is not None or b"cookie" not in headers:
            principal = self.verify((authorization or b"").decode("latin-1"))
            if principal.role == SERVICE_ROLE:
                return self._for_person(principal, headers.get(caller.HEADER.encode()))
            return principal
        principal = self.verify_cookie(headers[b"cookie"].decode("latin-1"))
        if method not in SAFE_METHODS:
            check_csrf(
                principal.csrf, headers.get(CSRF_HEADER.lower().encode(), b"").decode("latin-1")
            )
        return principal

    def _for_person(self, service: Principal, token: bytes | None) -> Principal:
        """The service, together with the person it acts for.

        An unverifiable on-behalf-of token is ignored; the service keeps its own identity.
        """
        if not token:
            return service
        try:
            person = self._verify(token.decode("latin-1"))
        except Unauthenticated:
            return service
        return (
            service
            if person.role == SERVICE_ROLE
            else msgspec.structs.replace(service, on_behalf_of=person)
        )

    def reread_keys(self) -> None:
        """Reads new keys. Tokens signed with a removed key are refused from now on."""
        if self._keys.reread():
            self._seen.clear()

    def verify(self, authorization: str | None) -> Principal:
        """The caller by an `Authorization` header.

        Raises Unauthenticated with the same answer for every fault of a token, so that it reveals
        no reason.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send an access token: Authorization: Bearer …")
        return self._verify(token)

    def verify_cookie(self, header: str) -> Principal:
        """The person by a `Cookie` header. The caller of this method decides what a browser may do.

        Raises Unauthenticated.
        """
        token = read_cookie(header, ACCESS_COOKIE)
        if token is None:
            raise Unauthenticated("Sign in first, or send an access token: Authorization: Bearer …")
        principal = self._verify(token)
        if principal.role == SERVICE_ROLE:
            raise _refused()
        return principal

    def still_holds(self, principal: Principal) -> bool:
        """Whether a principal that was verified earlier still holds; for long-lived connections."""
        return principal.expires_at > self._now() and principal.session_id not in self._revoked

    def _verify(self, token: str) -> Principal:
        if len(token) > MAX_TOKEN_LENGTH:
            raise _refused()
        principal = self._seen.get(token) or self._remember(token)
        if not self.still_holds(principal):
            self._seen.pop(token, None)
            raise _refused()
        caller.person_token.set("" if principal.role == SERVICE_ROLE else token)
        return principal

    def _remember(self, token: str) -> Principal:
        principal = self._check(token)
        if len(self._seen) >= CACHED_TOKENS:
            self._seen.clear()
        self._seen[token] = principal
        return principal

    def _check(self, token: str) -> Principal:
        try:
            issuer, claims = self._read(token)
        except UNREADABLE:
            raise _refused() from None
        is_service = claims.role == SERVICE_ROLE
        if is_service == (issuer == PEOPLE_ISSUER) or (is_service and claims.sub != issuer):
            raise _refused()
        if claims.exp - claims.iat > MAX_TTL_SECONDS:
            raise _refused()
        return Principal(
            subject=claims.sub,
            role=claims.role,
            owner_id=claims.own,
            expires_at=float(claims.exp),
            session_id=claims.sid,
            csrf=claims.csrf,
        )

    def _read(self, token: str) -> tuple[str, _Claims]:
        """The issuer and the claims of a token with a valid signature. Raises UNREADABLE."""
        kid, kind = _header(token.partition(".")[0])
        key = self._keys.find(kid)
        if key is None or kind != TOKEN_TYPE:
            raise jwt.InvalidTokenError("unknown key or type")
        issuer = kid.rsplit(":", 1)[0]
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=issuer,
            audience=self._audiences,
            options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"]},
        )
        return issuer, msgspec.convert(claims, _Claims)


@lru_cache(maxsize=32)  # more than there are keys, but few: unverified headers are cached, too
def _header(segment: str) -> tuple[str, object]:
    """Key id and type from the first part of a token, unverified.

    All tokens of one key have the same first part. Raises jwt.InvalidTokenError.
    """
    header = jwt.get_unverified_header(f"{segment}..")
    return header.get("kid", ""), header.get("typ")


def _refused() -> Unauthenticated:
    """The same answer for every fault of a token."""
    return Unauthenticated(INVALID, INVALID_TOKEN)


def require(principal: Principal, access: Access) -> None:
    """Raises Forbidden unless the route is open to the caller."""
    if principal.role == SERVICE_ROLE:
        if principal.subject.removeprefix(ISSUER_PREFIX) not in access.services:
            raise Forbidden("This route is not open to that service", headers=INSUFFICIENT)
    elif principal.role not in access.roles:
        needed = f"This route requires one of the roles: {', '.join(sorted(access.roles))}"
        raise Forbidden(
            needed if access.roles else "This route is open to services of the platform only",
            headers=INSUFFICIENT,
        )
