"""A stack with HTTPS: the commands and the links that `up` prints work, with certificate
verification on.
"""

import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import until_blocking
from tests.support.stack import ADA, Stack
from valerix.client import Valerix, errors


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("tls stack")
    folder.chmod(0o711)
    folder.parent.chmod(0o711)
    stack = Stack(folder)
    try:
        stack.up("--tls")
        yield stack
    finally:
        stack.down()


def test_the_commands_trust_their_own_stack(secured: Stack) -> None:
    placed = json.loads(
        secured.cli("order", "place", "--customer", "CUST-001", "PROD-001", "--json").stdout
    )
    assert placed["status"] == "confirmed"
    assert placed["id"] in secured.cli("order", "list", "--json").stdout


def test_the_printed_order_can_be_pasted(secured: Stack) -> None:
    printed = secured.up().splitlines()
    assert any(
        line.endswith(f"https://127.0.0.1:{secured.state['ports']['gateway']}/api/v1")
        for line in printed
    )
    done = subprocess.run(
        ["/bin/sh", "-c", printed[-1]], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout)["status"] == "confirmed"


def test_the_client_trusts_the_file_it_is_given_and_nothing_else(secured: Stack) -> None:
    url, password = secured.url.replace("http:", "https:"), secured.secret("demo")
    with Valerix(
        url, email=ADA, password=password, ca_file=Path(secured.state["caFile"])
    ) as client:
        assert client.products.get("PROD-001").product_id == "PROD-001"
    with (
        Valerix(url, email=ADA, password=password, retry_seconds=0) as stranger,
        pytest.raises(errors.NotConnected, match="certificate"),
    ):
        stranger.products.get("PROD-001")


def test_the_private_key_is_its_owners_alone(secured: Stack) -> None:
    assert (secured.data_dir / "tls" / "gateway.key").stat().st_mode & 0o777 == 0o600


def test_a_renewed_certificate_is_taken_up_without_a_restart(secured: Stack) -> None:
    chain, port = secured.data_dir / "tls" / "gateway.pem", secured.state["ports"]["gateway"]
    before = ssl.get_server_certificate(("127.0.0.1", port))
    key = secured.data_dir / "tls" / "gateway.key"
    key.unlink()  # an incomplete pair is created anew
    assert "has loaded" in secured.cli("reload").stdout
    until_blocking(
        lambda: ssl.get_server_certificate(("127.0.0.1", port)) != before,
        "the new certificate is served",
    )
    assert (
        ssl.get_server_certificate(("127.0.0.1", port)).split() == leaf(chain.read_text()).split()
    )
    assert secured.cli("order", "list").returncode == 0


def leaf(chain: str) -> str:
    end = "-----END CERTIFICATE-----"
    return chain[: chain.index(end) + len(end)]
