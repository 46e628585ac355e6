"""The search for secrets in logs finds each kind of secret."""

import json
from pathlib import Path

import pytest

from tests.support.leaks import assert_no_leaks
from valerix.chassis.identity.tokens import TokenIssuer
from valerix.launcher.credentials import Credentials
from valerix.launcher.keys import make_keys


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    made = Credentials(tmp_path)
    make_keys(made)
    return made


@pytest.fixture
def secrets(credentials: Credentials, tmp_path: Path) -> dict[str, str]:
    """Provides one secret of each kind."""
    key = credentials.signing_key_file("users")
    token = TokenIssuer(key).issue(subject="ada", role="admin", audience="valerix", ttl_seconds=60)
    return {
        "demo": credentials.demo_password,
        "postgres-orders": credentials.database_passwords["orders"],
        "users.jwk": json.loads(key.read_text())["d"],
        "token": token,
        "hash": "$argon2id$v=19$m=19456,t=2,p=1$abc$def",
        "header": "Authorization: Bearer AAAABBBBCCCCDDDDEEEE",
        "address": "ada@demo.valerix.example",
    }


@pytest.mark.parametrize(
    "kind", ["demo", "postgres-orders", "users.jwk", "token", "hash", "header", "address"]
)
def test_a_secret_in_a_log_is_found_and_not_repeated(
    kind: str, secrets: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "orders.log"
    log.write_text(f'{{"message":"request","detail":"{secrets[kind]}"}}\n')
    with pytest.raises(AssertionError) as found:
        assert_no_leaks([log], tmp_path / "secrets")
    assert "orders.log" in str(found.value)
    assert secrets[kind] not in str(found.value)


def test_ordinary_lines_are_none(secrets: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "orders.log"
    log.write_text(
        '{"level":"info","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","order_id":"0199d1c2"}\n'
    )
    assert_no_leaks([log], tmp_path / "secrets")


def test_secrets_are_their_owners_alone(secrets: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
