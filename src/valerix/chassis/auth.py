"""Who is calling: Ed25519 JWTs, issued by the issuer whose name their key carries, verified by every service itself.

One algorithm is pinned; `jku`, `x5u` and `jwk` headers are never looked at (RFC 8725). A key speaks for one issuer:
its `kid` is `<issuer>:<random>`. The people's issuer may grant people's roles, every other issuer only its own
`service` role, so a stolen service key cannot become an administrator.

Programs send the token as a bearer; browsers hold it in a cookie no script can read. A browser adds cookies to requests
it was tricked into as well, so whoever changes something by cookie repeats the token's `csrf` claim in X-CSRF-Token.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Container, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from valerix.chassis import caller
from valerix.chassis.problems import Forbidden, Unauthenticated

ALGORITHM: Final = "EdDSA"
PEOPLE_ISSUER: Final = "valerix:users"
PUBLIC_AUDIENCE: Final = "valerix"
SERVICE_ROLE: Final = "service"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - RFC 9068 media type, not a password
MAX_TTL_SECONDS: Final = 600
MAX_TOKEN_LENGTH: Final = 4096
CACHED_TOKENS: Final = 10_000
LOOK_SECONDS: Final = 1.0
"""How often key files are looked at, and the sessions of open connections."""
ACCESS_COOKIE: Final = "valerix_access"
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
INVALID: Final = "The access token is not valid, has expired or was revoked; sign in again"


class CsrfTokenMissing(Forbidden):
    """Cookie given, but nothing that only a page of ours could know."""

    code, title = "csrf_token_missing", "The request may not come from our page"

    def __init__(self) -> None:
        super().__init__(f"Repeat the value of the cookie valerix_csrf in the header {CSRF_HEADER}")


class Principal(msgspec.Struct, frozen=True):
    """A verified caller. `owner_id` is the identifier that objects owned by this caller carry, if it owns any."""

    subject: str
    role: str
    owner_id: str | None
    expires_at: float
    """Unix seconds."""
    session_id: str | None = None
    """None for services."""
    csrf: str | None = None
    """Only of sessions that live in a browser's cookies."""
    on_behalf_of: "Principal | None" = None
    """The person a service acts for, by their own token."""


def generate_key(issuer: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A new (private JWK, public JWK) pair for `issuer`, e.g. `valerix:orders`."""
    key = Ed25519PrivateKey.generate()
    names = {"kid": f"{issuer}:{secrets.token_hex(4)}", "alg": ALGORITHM, "use": "sig"}
    private = jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True) | names
    return private, {name: value for name, value in private.items() if name != "d"}


class WatchedFile:
    """Tells when a file was replaced; one that cannot be looked at for a moment was not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp = self._look()

    def replaced(self) -> bool:
        stamp = self._look()
        if stamp is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        return True

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


class TokenIssuer:
    """Signs access tokens with one private key; another one in its file is taken up within a second."""

    def __init__(self, key_file: Path) -> None:
        self._file = WatchedFile(key_file)
        self._look_again_at = 0.0
        self._read()

    def _read(self) -> None:
        jwk = msgspec.json.decode(self._file.path.read_bytes(), type=dict[str, str])
        self.kid = jwk["kid"]
        self.issuer = self.kid.rsplit(":", 1)[0]
        self._key = jwt.PyJWK(jwk, algorithm=ALGORITHM).key
        self._for_services: dict[str, tuple[str, float]] = {}

    def _take_up_new_key(self) -> None:
        now = time.monotonic()
        if now >= self._look_again_at:
            self._look_again_at = now + LOOK_SECONDS
            if self._file.replaced():
                self._read()

    def issue(
        self,
        *,
        subject: str,
        role: str,
        audience: str,
        ttl_seconds: int,
        owner_id: str | None = None,
        session_id: str | None = None,
        csrf: str | None = None,
    ) -> str:
        """A signed token that is valid from now for `ttl_seconds` (at most 600)."""
        self._take_up_new_key()
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": audience,
            "sub": subject,
            "role": role,
            "iat": now,
            "exp": now + min(ttl_seconds, MAX_TTL_SECONDS),
            "jti": secrets.token_hex(16),
        }
        optional = {"own": owner_id, "sid": session_id, "csrf": csrf}
        claims |= {name: value for name, value in optional.items() if value is not None}
        headers = {"kid": self.kid, "typ": TOKEN_TYPE}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=headers)

    def for_service(self, target: str) -> str:
        """This service's own token for calling `target`; signed anew every few minutes, not for every call."""
        self._take_up_new_key()
        token, fresh_until = self._for_services.get(target, ("", 0.0))
        if time.time() >= fresh_until:
            token = self.issue(
                subject=self.issuer,
                role=SERVICE_ROLE,
                audience=f"valerix:{target}",
                ttl_seconds=MAX_TTL_SECONDS,
            )
            self._for_services[target] = (token, time.time() + MAX_TTL_SECONDS / 2)
        return token


class KeyRing:
    """The public keys of trusted issuers, from one JWKS file; read again when it changes, so keys can rotate."""

    def __init__(self, file: Path) -> None:
        self._file = WatchedFile(file)
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._read()

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key called `kid`, or None when no trusted issuer has it."""
        if kid not in self._keys:
            self.reread()
        return self._keys.get(kid)

    def reread(self) -> bool:
        """Whether there was something new."""
        if not self._file.replaced():
            return False
        self._read()
        return True

    def _read(self) -> None:
        jwks = msgspec.json.decode(self._file.path.read_bytes(), type=dict[str, list[dict[str, str]]])
        self._keys = {jwk["kid"]: jwt.PyJWK(jwk, algorithm=ALGORITHM).key for jwk in jwks["keys"]}


class Verifier:
    """Turns a token into a Principal; a token seen before costs one dictionary look-up.

    `revoked`: ids of sessions whose tokens are refused although they have not expired.
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
            check_csrf(principal.csrf, headers.get(CSRF_HEADER.lower().encode(), b"").decode("latin-1"))
        return principal

    def _for_person(self, service: Principal, token: bytes | None) -> Principal:
        """A word that cannot be verified (any more) is dropped: the service acts in its own right all the same."""
        if not token:
            return service
        try:
            person = self._verify(token.decode("latin-1"))
        except Unauthenticated:
            return service
        return service if person.role == SERVICE_ROLE else msgspec.structs.replace(service, on_behalf_of=person)

    def reread_keys(self) -> None:
        """Take up keys that were added; what was signed with one that is gone is refused from now on."""
        if self._keys.reread():
            self._seen.clear()

    def verify(self, authorization: str | None) -> Principal:
        """Raises Unauthenticated with one answer for every fault; the reason is nobody's business outside."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send an access token: Authorization: Bearer …")
        return self._verify(token)

    def verify_cookie(self, header: str) -> Principal:
        """The same of a `Cookie` header; what a browser may do with it is the caller's to decide."""
        token = read_cookie(header, ACCESS_COOKIE)
        if token is None:
            raise Unauthenticated("Sign in first, or send an access token: Authorization: Bearer …")
        return self._verify(token)

    def still_holds(self, principal: Principal) -> bool:
        """Whether what was verified some time ago would be again: for connections that last."""
        return principal.expires_at > self._now() and principal.session_id not in self._revoked

    def _verify(self, token: str) -> Principal:
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated(INVALID)
        principal = self._seen.get(token) or self._remember(token)
        if not self.still_holds(principal):
            self._seen.pop(token, None)
            raise Unauthenticated(INVALID)
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
            kid, kind = _header(token.partition(".")[0])
            key = self._keys.find(kid)
            if key is None or kind != TOKEN_TYPE:
                raise jwt.InvalidTokenError("unknown key or type")  # noqa: TRY301 - one answer for every fault
            issuer = kid.rsplit(":", 1)[0]
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=issuer,
                audience=self._audiences,
                options={"require": ["exp", "iat", "sub", "aud", "iss", "jti"]},
            )
        except jwt.InvalidTokenError:
            raise Unauthenticated(INVALID) from None
        role = claims.get("role")
        if not isinstance(role, str) or (role == SERVICE_ROLE) == (issuer == PEOPLE_ISSUER):
            raise Unauthenticated(INVALID)
        return Principal(
            subject=claims["sub"],
            role=role,
            owner_id=claims.get("own"),
            expires_at=float(claims["exp"]),
            session_id=claims.get("sid"),
            csrf=claims.get("csrf"),
        )


@lru_cache(maxsize=32)  # more than there are keys; what strangers send is kept, too, so not many
def _header(segment: str) -> tuple[str, object]:
    """Key id and type that the first part of a token says, unverified; the tokens of one key say the same there.

    Raises jwt.InvalidTokenError.
    """
    header = jwt.get_unverified_header(f"{segment}..")
    return header.get("kid", ""), header.get("typ")


def read_cookie(header: str, name: str) -> str | None:
    """The value of one cookie of a `Cookie` header."""
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return None


def check_csrf(expected: str | None, sent: str | None) -> None:
    """Raises CsrfTokenMissing unless the header `sent` is `expected`; a session of no browser has nothing to expect."""
    if not expected or not sent or not hmac.compare_digest(expected.encode(), sent.encode()):
        raise CsrfTokenMissing


def require(principal: Principal, roles: Iterable[str]) -> None:
    """Raises Forbidden unless the caller has one of `roles`."""
    if principal.role not in roles:
        raise Forbidden(f"This needs one of the roles: {', '.join(sorted(roles))}")
