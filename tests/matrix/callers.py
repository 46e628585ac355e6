"""The callers of the matrix: people, services, and tokens that look valid but are not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from valerix.contracts.roles import ServiceName

OWNER, OTHER, OPERATOR, ADMIN = "owner", "other", "operator", "admin"
MERCHANT, UNAUTHENTICATED = "merchant", "unauthenticated"
SERVICES = frozenset(map(str, ServiceName))
"""Each service is a separate kind of caller."""
PAGE = "page"
"""Another site's page in the owner's browser, which adds its cookie to every request of the
page.
"""
Token = dict[str, Any]
SPOOFED = {
    "X-User-Id": "admin",
    "X-Role": "admin",
    "X-Forwarded-User": "admin",
    "X-Forwarded-For": "127.0.0.1",
    "Remote-User": "admin",
    "Valerix-On-Behalf-Of": "admin",
    "Valerix-Role": "admin",
    "Valerix-Subject": "valerix:orders",
}


class Caller(NamedTuple):
    """A caller with its headers. `kind`: the identity that services must give the caller."""

    name: str
    kind: str
    headers: dict[str, str]


def bearing(name: str, kind: str, token: str, **headers: str) -> Caller:
    return Caller(name, kind, {"Authorization": f"Bearer {token}", **headers})


class Forger:
    """Decodes a genuine token and encodes it again with one change."""

    def __init__(self, genuine: str, key_file: Path) -> None:
        self.claims: Token = jwt.decode(genuine, options={"verify_signature": False})
        self.header: Token = jwt.get_unverified_header(genuine)
        self._genuine = genuine
        self._key: Any = jwt.PyJWK(json.loads(key_file.read_text()), algorithm="EdDSA").key
        self._stranger = Ed25519PrivateKey.generate()

    def resigned(self, header: Token | None = None, **claims: object) -> str:
        """Signs changed claims with the genuine key."""
        return self._encode(self._key, header or {}, claims)

    def by_a_stranger(self, **header: object) -> str:
        return self._encode(self._stranger, header, {})

    def stranger_jwk(self) -> Token:
        public: Token = jwt.algorithms.OKPAlgorithm.to_jwk(
            self._stranger.public_key(), as_dict=True
        )
        return public

    def unsigned(self) -> str:
        return f"{_part(self.header | {'alg': 'none'})}.{_part(self.claims)}."

    def hmac_with(self, secret: bytes) -> str:
        """Signs with the public key as a shared secret (RFC 8725, 2.1)."""
        signed = f"{_part(self.header | {'alg': 'HS256'})}.{_part(self.claims)}"
        return f"{signed}.{_text(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    def public_key(self, encoding: Encoding, form: PublicFormat) -> bytes:
        exported: bytes = self._key.public_key().public_bytes(encoding, form)
        return exported

    def with_other_claims(self, **claims: object) -> str:
        """Puts the genuine signature on other claims."""
        header, _, signature = self._genuine.split(".")
        return f"{header}.{_part(self.claims | claims)}.{signature}"

    def with_other_signature(self) -> str:
        signed, _, signature = self._genuine.rpartition(".")
        return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"

    def _encode(self, key: Any, header: Token, claims: Token) -> str:
        merged = self.header | header
        return jwt.encode(self.claims | claims, key, algorithm="EdDSA", headers=merged)


def _part(document: Token) -> str:
    return _text(json.dumps(document).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def browsers(owner: Forger) -> list[Caller]:
    """Returns the owner by cookie: with the CSRF token that only the owner's page has, without it,
    and with a wrong one.
    """
    cookie = f"theme=dark; valerix_access={owner.resigned(csrf='known-to-our-page')}"
    return [
        Caller("owner by cookie", OWNER, {"Cookie": cookie, "X-CSRF-Token": "known-to-our-page"}),
        Caller("owner's cookie from another page", PAGE, {"Cookie": cookie}),
        Caller("owner's cookie and a guess", PAGE, {"Cookie": cookie, "X-CSRF-Token": "guessed"}),
        Caller(
            "owner's cookie, not a browser's",
            PAGE,
            {"Cookie": f"valerix_access={owner.resigned(csrf=None)}"},
        ),
    ]


def forged(admin: Forger, orders: Forger) -> list[Caller]:
    """Returns tokens that would be an administrator's (or a service's) but for one fault."""
    now = int(time.time())
    elsewhere = "https://attacker.example/keys.json"
    pem = admin.public_key(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = admin.public_key(Encoding.Raw, PublicFormat.Raw)
    faults: dict[str, Callable[[], str]] = {
        "expired": lambda: admin.resigned(iat=now - 700, exp=now - 100),
        "not issued yet": lambda: admin.resigned(iat=now + 3600, exp=now + 4000),
        "wrong audience": lambda: admin.resigned(aud="somebody-else"),
        "wrong issuer": lambda: admin.resigned(iss="valerix:orders"),
        "wrong type": lambda: admin.resigned({"typ": "JWT"}),
        "no expiry": lambda: admin.resigned(exp=None),
        "unknown key": lambda: admin.resigned({"kid": "valerix:users:00000000"}),
        "unsigned": admin.unsigned,
        "HS256 with the public key (PEM)": lambda: admin.hmac_with(pem),
        "HS256 with the public key (raw)": lambda: admin.hmac_with(raw),
        "other signature": admin.with_other_signature,
        "other claims": lambda: admin.with_other_claims(sub="somebody"),
        "stranger's signature": admin.by_a_stranger,
        "jku": lambda: admin.by_a_stranger(jku=elsewhere, kid="valerix:users:attack"),
        "x5u": lambda: admin.by_a_stranger(x5u=elsewhere),
        "jwk": lambda: admin.by_a_stranger(jwk=admin.stranger_jwk()),
        "critical header": lambda: admin.resigned({"crit": ["b64"], "b64": True}),
        "a service that says it is an administrator": lambda: orders.resigned(
            role="admin", aud="valerix"
        ),
        "a person who says to be a service": lambda: admin.resigned(role="service"),
        "a service's token under the people's issuer": lambda: orders.resigned(
            iss="valerix:users", role="admin"
        ),
        "longer than any issuer lets it live": lambda: admin.resigned(exp=now + 1000),
        "expires after all days": lambda: admin.resigned(exp=10**400),
        "session of another type": lambda: admin.resigned(sid=["x"]),
        "header nested without end": lambda: f"{_text(b'[' * 2000)}.e30.AAAA",
    }
    return [
        Caller("none", UNAUTHENTICATED, {}),
        Caller("none, with spoofed identity headers", UNAUTHENTICATED, SPOOFED),
        Caller("empty token", UNAUTHENTICATED, {"Authorization": "Bearer "}),
        Caller("another scheme", UNAUTHENTICATED, {"Authorization": "Basic YWRtaW46YWRtaW4="}),
        *(bearing(name, UNAUTHENTICATED, make()) for name, make in faults.items()),
    ]
