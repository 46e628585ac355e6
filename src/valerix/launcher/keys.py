"""The keys services sign their tokens with, one per issuer, and the public halves of all of them in one file."""

import msgspec

from valerix.chassis.auth import generate_key
from valerix.launcher.credentials import Credentials, write_secret
from valerix.launcher.topology import ISSUERS


def make_keys(credentials: Credentials) -> None:
    """Makes those that are missing: a new service gets a key, the others keep theirs."""
    public = [_public_half(credentials, issuer) for issuer in ISSUERS]
    write_secret(credentials.keys_file, msgspec.json.encode({"keys": public}))


def _public_half(credentials: Credentials, issuer: str) -> dict[str, str]:
    stored = credentials.read_or_make(
        credentials.signing_key_file(issuer), lambda: msgspec.json.encode(generate_key(f"valerix:{issuer}")[0])
    )
    private = msgspec.json.decode(stored, type=dict[str, str])
    return {name: value for name, value in private.items() if name != "d"}
