"""The certificate that the gateway presents: generated, or configured."""

from pathlib import Path

import pytest

from valerix.launcher import certificates
from valerix.launcher.errors import LauncherError


def test_a_made_certificate_is_kept_and_its_key_is_its_owners(tmp_path: Path) -> None:
    first = certificates.generated(tmp_path)
    content = first.chain_file.read_bytes()
    assert certificates.generated(tmp_path).chain_file.read_bytes() == content
    assert first.key_file.stat().st_mode & 0o777 == 0o600
    first.key_file.unlink()
    assert certificates.generated(tmp_path).chain_file.read_bytes() != content
    assert {file.name for file in tmp_path.iterdir()} == {"gateway.pem", "gateway.key", "ca.pem"}


def test_a_configured_certificate_must_be_whole(tmp_path: Path) -> None:
    one, other = (
        certificates.generated(tmp_path / "one"),
        certificates.generated(tmp_path / "other"),
    )
    found = certificates.configured(one.chain_file, one.key_file)
    assert (found.chain_file, found.ca_file) == (one.chain_file, None)
    for chain, key, why in (
        (one.chain_file, other.key_file, "does not belong"),
        (one.chain_file, tmp_path / "missing", "cannot be used"),
        (one.key_file, one.key_file, "cannot be used"),
    ):
        with pytest.raises(LauncherError, match=why):
            certificates.configured(chain, key)
