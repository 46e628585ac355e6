"""The keys that sign the services' tokens, one per issuer; one file has all public halves.

A replaced key stays trusted for another hour (its tokens live ten minutes). The file marks it with
the time of its replacement.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from valerix.chassis.identity.keys import generate_key
from valerix.launcher.credentials import Credentials
from valerix.launcher.private import write_private
from valerix.launcher.topology import ISSUERS

RETIRED: Final = "retired"
TRUSTED_AFTERWARDS: Final = timedelta(hours=1)
Jwk = dict[str, str]


def make_keys(credentials: Credentials) -> None:
    """Generate missing keys: a new service gets a key, the others keep theirs."""
    current = [_public_half(_private_key(credentials, issuer)) for issuer in ISSUERS]
    _publish(credentials, [*current, *_still_trusted(credentials)])


def rotate_keys(credentials: Credentials, issuers: Iterable[str], *, distrust: bool) -> list[str]:
    """Generate new keys for `issuers`; return the ids of the old ones.

    With `distrust` no service accepts tokens that the old keys have signed. A new public key is
    published before its private key signs anything. Running services notice both within seconds.
    """
    made = {issuer: generate_key(f"valerix:{issuer}") for issuer in issuers}
    old = [_public_half(_private_key(credentials, issuer)) for issuer in made]
    kept = [
        _public_half(_private_key(credentials, issuer)) for issuer in ISSUERS if issuer not in made
    ]
    new: list[Jwk] = [public for _, public in made.values()]
    retired = [jwk | {RETIRED: datetime.now(UTC).isoformat()} for jwk in old]
    before = _still_trusted(credentials)
    _publish(credentials, [*kept, *new, *retired, *before])
    for issuer, (private, _) in made.items():
        write_private(credentials.signing_key_file(issuer), msgspec.json.encode(private))
    if distrust:
        _publish(credentials, [*kept, *new, *(jwk for jwk in before if _issuer(jwk) not in made)])
    return [jwk["kid"] for jwk in old]


def published_keys(credentials: Credentials) -> list[Jwk]:
    """Return the public keys that verifiers trust at this moment."""
    if not credentials.keys_file.exists():
        return []
    return msgspec.json.decode(credentials.keys_file.read_bytes(), type=dict[str, list[Jwk]])[
        "keys"
    ]


def _still_trusted(credentials: Credentials) -> list[Jwk]:
    oldest = (datetime.now(UTC) - TRUSTED_AFTERWARDS).isoformat()
    return [jwk for jwk in published_keys(credentials) if jwk.get(RETIRED, "") > oldest]


def _publish(credentials: Credentials, keys: list[Jwk]) -> None:
    write_private(credentials.keys_file, msgspec.json.encode({"keys": keys}))


def _private_key(credentials: Credentials, issuer: str) -> Jwk:
    stored = credentials.read_or_make(
        credentials.signing_key_file(issuer),
        lambda: msgspec.json.encode(generate_key(f"valerix:{issuer}")[0]),
    )
    return msgspec.json.decode(stored, type=Jwk)


def _public_half(private: Jwk) -> Jwk:
    return {name: value for name, value in private.items() if name != "d"}


def _issuer(jwk: Jwk) -> str:
    return jwk["kid"].rsplit(":", 1)[0].removeprefix("valerix:")
