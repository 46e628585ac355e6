"""The content of access tokens, and the private parts that the public key set leaves out."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest

from tests.support.identities import Identities
from valerix.chassis.base.settings import SettingsError
from valerix.chassis.identity.keys import KeyRing
from valerix.chassis.identity.verifier import Verifier
from valerix.users.domain import Session, User
from valerix.users.tokens import AccessTokens, public_keys

ADA = User(
    id="0199d1c2-0000-7000-8000-000000000001",
    email="ada@example.com",
    name="Ada",
    role="customer",
    status="active",
    customer_number="CUST-001",
    version=1,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    email_confirmed=False,
)

SESSION = Session(
    id="0199d1c2-0000-7000-8000-0000000000ff",
    user_id=ADA.id,
    kind="token",
    csrf=None,
    user_agent="test",
    address="127.0.0.1",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    last_used_at=datetime(2026, 1, 1, tzinfo=UTC),
    expires_at=datetime(2026, 2, 1, tzinfo=UTC),
)


def test_every_service_accepts_the_token_and_learns_role_and_customer_number(
    identities: Identities,
) -> None:
    token = AccessTokens(identities.signing_key_file("users")).issue(ADA, SESSION)
    for service in ("orders", "payments"):
        principal = Verifier(KeyRing(identities.keys_file), service).verify(f"Bearer {token}")
        assert (principal.subject, principal.role, principal.owner_id) == (
            ADA.id,
            "customer",
            "CUST-001",
        )


def test_a_token_lives_ten_minutes_has_an_id_of_its_own_and_says_nothing_personal(
    identities: Identities,
) -> None:
    tokens = AccessTokens(identities.signing_key_file("users"))
    claims = [
        jwt.decode(tokens.issue(ADA, SESSION), options={"verify_signature": False})
        for _ in range(2)
    ]
    assert [claim["exp"] - claim["iat"] for claim in claims] == [600, 600]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert set(claims[0]) == {"iss", "aud", "sub", "role", "own", "sid", "iat", "exp", "jti"}


def test_staff_own_nothing(identities: Identities) -> None:
    operator = replace(ADA, role="operator", customer_number=None)
    token = AccessTokens(identities.signing_key_file("users")).issue(operator, SESSION)
    assert "own" not in jwt.decode(token, options={"verify_signature": False})


def test_another_services_key_is_refused_at_start(identities: Identities) -> None:
    with pytest.raises(SettingsError, match="valerix:orders"):
        AccessTokens(identities.signing_key_file("orders"))
    with pytest.raises(SettingsError, match="VALERIX_SIGNING_KEY_FILE"):
        AccessTokens(None)


def test_private_parts_stay_inside_even_when_the_file_has_them(
    identities: Identities, tmp_path: Path
) -> None:
    private = json.loads(identities.signing_key_file("users").read_text())
    assert "d" in private
    careless = tmp_path / "careless.json"
    careless.write_text(json.dumps({"keys": [private]}))
    (published,) = public_keys(careless)
    assert set(published) == {"kty", "crv", "x", "kid", "alg", "use"}
