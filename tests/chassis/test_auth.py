"""Tokens: what each issuer may claim, and the refusal of every forgery."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from valerix.chassis.base import caller
from valerix.chassis.base.problems import Forbidden, Unauthenticated
from valerix.chassis.identity.cookies import CsrfTokenMissing
from valerix.chassis.identity.keys import KeyRing, generate_key
from valerix.chassis.identity.tokens import Principal, TokenIssuer
from valerix.chassis.identity.verifier import Verifier, require
from valerix.contracts.roles import ANYONE, STAFF, ServiceName, calls_from


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
        given = {
            "subject": "u1",
            "role": "customer",
            "audience": "valerix",
            "ttl_seconds": 60,
            "owner_id": "CUST-001",
        }
        return self.users.issue(**{**given, **changes})

    def refuses(self, token: str | None) -> None:
        with pytest.raises(Unauthenticated):
            self.verifier.verify(None if token is None else f"Bearer {token}")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def forge(house: House, claims: dict[str, Any] | None = None, **header: Any) -> str:
    """A correctly signed token of the users' key, with other claims or headers."""
    original = jwt.decode(house.person(), options={"verify_signature": False})
    merged = {
        name: value for name, value in {**original, **(claims or {})}.items() if value is not None
    }
    return jwt.encode(
        merged,
        house.users._key,
        algorithm="EdDSA",
        headers={"kid": house.users.kid, "typ": "at+jwt", **header},
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
        house.refuses(
            house.payments.issue(subject="x", role=role, audience="valerix", ttl_seconds=60)
        )


def test_the_peoples_key_cannot_make_a_service(house: House) -> None:
    house.refuses(house.person(role="service"))


def test_a_service_key_cannot_make_another_service(house: House) -> None:
    role, audience = "service", "valerix:orders"
    own = house.payments.issue(
        subject="valerix:payments", role=role, audience=audience, ttl_seconds=60
    )
    assert house.verifier.verify(f"Bearer {own}")
    house.refuses(
        house.payments.issue(subject="valerix:orders", role=role, audience=audience, ttl_seconds=60)
    )


def test_a_service_token_is_no_browsers(house: House) -> None:
    with pytest.raises(Unauthenticated):
        house.verifier.authenticate(cookie(house.payments.for_service("orders")), "GET")


def test_no_token_lives_longer_than_ten_minutes(house: House) -> None:
    for issuer, key in (
        (house.users, house.person()),
        (house.payments, house.payments.for_service("orders")),
    ):
        claims = jwt.decode(key, options={"verify_signature": False})
        for seconds, taken in ((600, True), (601, False)):
            longer = claims | {"exp": claims["iat"] + seconds}
            headers = {"kid": issuer.kid, "typ": "at+jwt"}
            token = jwt.encode(longer, issuer._key, algorithm="EdDSA", headers=headers)
            if taken:
                assert house.verifier.verify(f"Bearer {token}")
            else:
                house.refuses(token)


def test_a_header_nested_without_end_is_refused(house: House) -> None:
    header = base64.urlsafe_b64encode(b"[" * 2400).decode().rstrip("=")
    house.refuses(f"{header}.e30.AAAA")


def test_routes_name_services() -> None:
    orders = Principal("valerix:orders", "service", None, 0)
    require(orders, calls_from(ServiceName.ORDERS))
    for principal, access in (
        (orders, calls_from(ServiceName.PAYMENTS)),
        (orders, ANYONE),
        (Principal("valerix:orders", "admin", None, 0), calls_from(ServiceName.ORDERS)),
        (Principal("u1", "orders", None, 0), calls_from(ServiceName.ORDERS)),
        (Principal("u1", "customer", None, 0), STAFF),
    ):
        with pytest.raises(Forbidden):
            require(principal, access)
    with pytest.raises(TypeError):
        calls_from()


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": 10**400},
        {"exp": float("inf")},
        {"exp": "4000000000"},
        {"sid": ["s1"]},
        {"own": 1},
        {"csrf": {}},
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


def test_the_correctly_forged_one_is_accepted_so_the_refusals_above_mean_something(
    house: House,
) -> None:
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
    house.refuses(
        jwt.encode(
            claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=headers
        )
    )
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
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer " + "x" * 5000, "Bearer a.b.c"],
)
def test_whatever_is_no_token_is_refused(house: House, authorization: str | None) -> None:
    with pytest.raises(Unauthenticated):
        house.verifier.verify(authorization)


def test_a_new_key_in_the_file_is_trusted_without_a_restart(house: House) -> None:
    newcomer = house.add("valerix:worker")
    assert (
        house.verifier.verify(f"Bearer {newcomer.for_service('orders')}").subject
        == "valerix:worker"
    )


# --- sessions, browsers, and the person that a service acts for


def cookie(token: str) -> dict[bytes, bytes]:
    return {b"cookie": f"theme=dark; valerix_access={token}; other=1".encode()}


def test_tokens_of_an_ended_session_are_refused_though_they_were_seen_before(house: House) -> None:
    ended: set[str | None] = set()
    verifier = Verifier(KeyRing(house.folder / "jwks.json"), "orders", ended)
    token, other = (f"Bearer {house.person(session_id=name)}" for name in ("s1", "s2"))
    assert verifier.verify(token).session_id == "s1"
    ended.add("s1")
    with pytest.raises(Unauthenticated):
        verifier.verify(token)
    assert verifier.verify(other)


def test_a_cookie_reads_and_changes_only_with_the_csrf_token(house: House) -> None:
    headers = cookie(house.person(session_id="s1", csrf="known to our pages"))
    assert house.verifier.authenticate(headers, "GET").subject == "u1"
    for sent in (
        {},
        {b"x-csrf-token": b""},
        {b"x-csrf-token": b"known"},
        {b"x-csrf-token": b"\xff"},
    ):
        with pytest.raises(CsrfTokenMissing):
            house.verifier.authenticate(headers | sent, "POST")
    assert (
        house.verifier.authenticate(
            headers | {b"x-csrf-token": b"known to our pages"}, "POST"
        ).subject
        == "u1"
    )


def test_a_programs_token_changes_nothing_by_cookie(house: House) -> None:
    for sent in (b"", b"None", b"null"):
        with pytest.raises(CsrfTokenMissing):
            house.verifier.authenticate(cookie(house.person()) | {b"x-csrf-token": sent}, "DELETE")


def test_a_bad_bearer_token_is_not_made_good_by_a_cookie(house: House) -> None:
    headers = cookie(house.person(csrf="c")) | {b"authorization": b"Bearer nonsense"}
    with pytest.raises(Unauthenticated):
        house.verifier.authenticate(headers, "GET")
    for headers in ({}, {b"cookie": b"theme=dark"}, {b"cookie": b"valerix_access="}):
        with pytest.raises(Unauthenticated):
            house.verifier.authenticate(headers, "GET")


def acting(house: House, service: str, person: str) -> Principal:
    headers = {
        b"authorization": f"Bearer {service}".encode(),
        b"valerix-on-behalf-of": person.encode(),
    }
    return house.verifier.authenticate(headers, "POST")


def test_a_service_says_for_whom_it_acts_and_only_their_own_token_proves_it(house: House) -> None:
    service = house.payments.for_service("orders")
    principal = acting(house, service, house.person())
    assert (principal.subject, principal.role) == ("valerix:payments", "service")
    assert principal.on_behalf_of is not None
    assert principal.on_behalf_of.subject == "u1"
    for word in ("u1", "", forge(house, {"exp": 1}), house.payments.for_service("orders")):
        assert acting(house, service, word).on_behalf_of is None
    assert acting(house, house.person(), house.person(subject="u2")).on_behalf_of is None, (
        "people act for themselves"
    )


def test_the_token_of_a_person_is_kept_for_calls_to_other_services(house: House) -> None:
    """A service's token is not kept: it would make the call one on behalf of a service."""
    person, service = house.person(), house.payments.for_service("orders")
    house.verifier.verify(f"Bearer {person}")
    assert caller.person_token.get() == person
    house.verifier.verify(f"Bearer {service}")
    assert caller.person_token.get() == ""
    acting(house, service, person)
    assert caller.person_token.get() == person


def test_a_new_private_key_is_taken_up_and_the_old_one_trusted_until_it_is_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("valerix.chassis.identity.tokens.LOOK_SECONDS", 0.0)
    before, old = f"Bearer {house.person()}", house.users.kid
    assert house.verifier.verify(before)
    house.add("valerix:users")
    (house.folder / "3.jwk").rename(house.folder / "1.jwk")
    after = f"Bearer {house.person()}"
    assert house.users.kid != old
    assert house.verifier.verify(after)
    assert house.verifier.verify(before)

    house.public = [jwk for jwk in house.public if jwk["kid"] != old]
    (house.folder / "new.json").write_text(json.dumps({"keys": house.public}))
    (house.folder / "new.json").rename(house.folder / "jwks.json")
    house.verifier.reread_keys()
    assert house.verifier.verify(after)
    with pytest.raises(Unauthenticated):
        house.verifier.verify(before)
