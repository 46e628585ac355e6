"""Data that must not appear in a log: secrets of the installation, tokens, password hashes."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

SHAPES = {
    "a token": re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}"),
    "a password hash": re.compile(rb"\$argon2"),
    "a private key": re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "an authorization header": re.compile(rb"(?i)bearer [A-Za-z0-9_.~+/-]{16,}"),
    "an e-mail address": re.compile(rb"[a-z]+@demo\.valerix\.example"),
}
SHORTEST = 8


def assert_no_leaks(logs: Iterable[Path], secrets_folder: Path | None = None) -> None:
    """Reads every file completely; a failure names the file and the kind of secret, never the
    secret.
    """
    known = dict(secrets_of(secrets_folder)) if secrets_folder else {}
    found = {f"{what} in {log}" for log in logs for what in _leaks(log.read_bytes(), known)}
    assert not found, "\n".join(sorted(found))


def _leaks(text: bytes, known: dict[str, bytes]) -> Iterator[str]:
    yield from (name for name, secret in known.items() if secret in text)
    yield from (name for name, shape in SHAPES.items() if shape.search(text))


def secrets_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Returns (name, content) of all generated secrets: passwords unchanged, of keys the private
    part.
    """
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        if file.suffix == ".jwk":
            yield file.name, json.loads(content)["d"].encode()
        elif file.name != "jwks.json" and len(content) >= SHORTEST:
            yield file.name, content
