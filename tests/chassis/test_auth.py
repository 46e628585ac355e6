"""Tokens: who may say what, and every way of cheating that is refused."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from valerix.chassis.auth import KeyRing, TokenIssuer, Verifier, generate_key
from valerix.chassis.problems import Unauthenticated


class House:
    """Two issuers, the key ring that trusts them, and a verifier of the service `orders`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, time.time()
        self.public: list[dict[str, Any]] = []
        self.users, self.payments = self.add("valerix:users"), self.add("valerix:payments")
        self.verifier = Verifier(KeyRing(folder / "jwks.json"), "orders", now=lambda: self.now)

    def add(self, issuer: str) -> TokenIssuer:
        private, public = generate_key(issuer)
        self.public.append(public)
        (self.folder / "jwks.json").write_text(json.dumps({"keys": self.public}))
        file = self.folder / f"{len(self.public)}.jwk"
        file.write_text(json.dumps(private))
        return TokenIssuer(file)

    def person(self, **changes: Any) -> str:
        given = {"subject": "u1", "role": "customer", "audience": "valerix", "ttl_seconds": 60, "owner_id": "CUST-001"}
        return self.users.issue(**{**given, **changes})

    def refuses(self, token: str | None) -> None:
        with pytest.raises(Unauthenticated):
            self.verifier.verify(None if token is None else f"Bearer {token}")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def forge(house: House, claims: dict[str, Any] | None = None, **header: Any) -> str:
    """A token of the users' key with other claims or headers, properly signed."""
    original = jwt.decode(house.person(), options={"verify_signature": False})
    merged = {name: value for name, value in {**original, **(claims or {})}.items() if value is not None}
    return jwt.encode(
        merged, house.users._key, algorithm="EdDSA", headers={"kid": house.users.kid, "typ": "at+jwt", **header}
    )


def test_a_person_is_who_the_token_says(house: House) -> None:
    principal = house.verifier.verify(f"Bearer {house.person()}")
    assert (principal.subject, principal.role, principal.owner_id) == ("u1", "customer", "CUST-001")


def test_a_service_calls_the_one_service_it_named(house: House) -> None:
    assert house.verifier.verify(f"Bearer {house.payments.for_service('orders')}").role == "service"
    house.refuses(house.payments.for_service("inventory"))


def test_a_token_seen_before_still_expires(house: House) -> None:
    token = f"Bearer {house.person(ttl_seconds=60)}"
    assert house.verifier.verify(token)
    house.now += 61
    with pytest.raises(Unauthenticated):
        house.verifier.verify(token)


def test_a_service_key_cannot_make_an_administrator(house: House) -> None:
    for role in ("admin", "operator", "customer"):
        house.refuses(house.payments.issue(subject="x", role=role, audience="valerix", ttl_seconds=60))


def test_the_peoples_key_cannot_make_a_service(house: House) -> None:
    house.refuses(house.person(role="service"))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "elsewhere"},
        {"aud": "valerix:payments"},
        {"aud": None},
        {"iss": "valerix:payments"},
        {"iss": None},
        {"sub": None},
        {"jti": None},
        {"role": None},
        {"role": ["admin"]},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
def test_wrong_or_missing_claims_are_refused(house: House, claims: dict[str, Any]) -> None:
    house.refuses(forge(house, claims))


def test_wrong_headers_are_refused(house: House) -> None:
    house.refuses(forge(house, typ="JWT"))
    house.refuses(forge(house, kid="valerix:users:unknown"))
    house.refuses(forge(house, kid=house.payments.kid))


def test_the_correctly_forged_one_is_accepted_so_the_refusals_above_mean_something(house: House) -> None:
    assert house.verifier.verify(f"Bearer {forge(house)}").subject == "u1"


def test_a_key_in_the_header_is_not_looked_at(house: House, tmp_path: Path) -> None:
    private, public = generate_key("valerix:users")
    key = jwt.PyJWK(private, algorithm="EdDSA").key
    claims = jwt.decode(house.person(), options={"verify_signature": False})
    for extra in ({"jwk": public}, {"jku": "file:///keys"}, {"x5u": "file:///keys"}):
        headers = {"kid": house.users.kid, "typ": "at+jwt", **extra}
        house.refuses(jwt.encode(claims, key, algorithm="EdDSA", headers=headers))


def test_other_algorithms_are_refused(house: House) -> None:
    claims = jwt.decode(house.person(), options={"verify_signature": False})
    headers = {"kid": house.users.kid, "typ": "at+jwt"}
    house.refuses(jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=headers))
    public_bytes = base64.urlsafe_b64decode(house.public[0]["x"] + "=")
    house.refuses(jwt.encode(claims, public_bytes, algorithm="HS256", headers=headers))
    house.refuses(jwt.encode(claims, "", algorithm="none", headers=headers))


def test_tampering_is_noticed(house: House) -> None:
    header, payload, signature = house.person().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["role"] = "admin"
    tampered = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    house.refuses(f"{header}.{tampered}.{signature}")
    house.refuses(f"{header}.{payload}.")
    house.refuses(f"{header}.{payload}")


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer " + "x" * 5000, "Bearer a.b.c"]
)
def test_whatever_is_no_token_is_refused(house: House, authorization: str | None) -> None:
    with pytest.raises(Unauthenticated):
        house.verifier.verify(authorization)


def test_a_new_key_in_the_file_is_trusted_without_a_restart(house: House) -> None:
    newcomer = house.add("valerix:worker")
    assert house.verifier.verify(f"Bearer {newcomer.for_service('orders')}").subject == "valerix:worker"
