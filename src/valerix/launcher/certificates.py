"""The gateway's TLS certificate: the configured one, else one generated for this machine.

A generated certificate is signed by an authority that exists for this purpose alone. The
authority's private key is never written to disk, so the files of the data directory can impersonate
this gateway and no other server. Programs trust the certificate through `tls/ca.pem`.
"""

import ipaddress
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from valerix.launcher.errors import LauncherError
from valerix.launcher.private import write_private

LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
SKEW = timedelta(hours=1)
"""Tolerance for clients whose clock is behind this machine's."""


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate.

    `ca_file`: the authority to trust; None for a configured certificate, which clients already
    trust.
    """

    chain_file: Path
    key_file: Path
    ca_file: Path | None = None


def configured(chain_file: Path, key_file: Path) -> Certificate:
    """Return the configured certificate.

    Raises LauncherError unless the two files belong together and the certificate has not expired.
    """
    try:
        leaf = x509.load_pem_x509_certificate(chain_file.read_bytes())
        key = _load_key(key_file)
    except (OSError, ValueError, TypeError) as error:
        raise LauncherError(f"The gateway's certificate cannot be used: {error}") from None
    if leaf.public_key() != key.public_key():
        raise LauncherError(
            f"The key in {key_file} does not belong to the certificate in {chain_file}"
        )
    if leaf.not_valid_after_utc < datetime.now(UTC):
        raise LauncherError(
            f"The certificate in {chain_file} expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
        )
    return Certificate(chain_file.resolve(), key_file.resolve())


def generated(folder: Path) -> Certificate:
    """Return the certificate in `folder`.

    It is generated again if it is missing, expires within 30 days, or names other hosts than this
    machine's.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    found = Certificate(folder / "gateway.pem", folder / "gateway.key", folder / "ca.pem")
    if not _still_good(found):
        _make(found)
    return found


def _still_good(certificate: Certificate) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate(certificate.chain_file.read_bytes())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        matches = leaf.public_key() == _load_key(certificate.key_file).public_key()
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return (
        matches
        and names == _names()
        and leaf.not_valid_after_utc - RENEW_BEFORE > datetime.now(UTC)
    )


def _make(certificate: Certificate) -> None:
    assert certificate.ca_file is not None  # noqa: S101 - only generated ones are made
    authority, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    ca_name, own_name = _name("Valerix local authority"), _name("Valerix gateway")
    ca = (
        _builder(ca_name, authority.public_key())
        .issuer_name(ca_name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(for_signing=True), critical=True)
        .sign(authority, hashes.SHA256())
    )
    leaf = (
        _builder(own_name, key.public_key())
        .issuer_name(ca_name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(for_signing=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_names(), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .sign(authority, hashes.SHA256())
    )
    write_private(
        certificate.key_file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    for file, made in ((certificate.chain_file, leaf), (certificate.ca_file, ca)):
        write_private(file, made.public_bytes(Encoding.PEM))
        file.chmod(0o644)


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, for_signing: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not for_signing,
        key_cert_sign=for_signing,
        crl_sign=for_signing,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _names() -> x509.SubjectAlternativeName:
    """Return this machine's names and addresses, as used locally and from its network."""
    hosts = dict.fromkeys(name for name in ("localhost", socket.gethostname()) if name.isascii())
    addresses = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    return x509.SubjectAlternativeName([*map(x509.DNSName, hosts), *map(x509.IPAddress, addresses)])


def _load_key(file: Path) -> PrivateKeyTypes:
    return load_pem_private_key(file.read_bytes(), None)
