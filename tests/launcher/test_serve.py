"""One service process: its start, its settings, its end."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.eventually import until_blocking
from tests.support.workers import free_port
from valerix.launcher.credentials import Credentials
from valerix.launcher.keys import make_keys

SRC = Path(__file__).parents[2] / "src"


class Service(NamedTuple):
    process: "subprocess.Popen[str]"
    port: int

    def status(self, path: str) -> int:
        """Return the status of an answer; 0 without an answer."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=10
            ) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


def serve(*names: str, **settings: str) -> "subprocess.Popen[str]":
    """Start a service process with these settings and no others."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("VALERIX_")
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "valerix.cli.serve", *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **environment,
            "PYTHONPATH": str(SRC),
            **{f"VALERIX_{k.upper()}": v for k, v in settings.items()},
        },
    )


def serve_psp(folder: Path, drain_seconds: str) -> Service:
    credentials, port = Credentials(folder), free_port()
    make_keys(credentials)
    process = serve(
        "psp",
        port=str(port),
        keys_file=str(credentials.keys_file),
        psp_secret=credentials.psp_secret,
        ledger_file=str(folder / "ledger"),
        drain_seconds=drain_seconds,
    )
    service = Service(process, port)
    until_blocking(lambda: service.status("/ready") == 200, "the service is ready")
    return service


@pytest.fixture
def psp(folder: Path) -> Iterator[Service]:
    service = serve_psp(folder, drain_seconds="60")
    yield service
    service.process.kill()
    service.process.communicate()


def test_told_to_end_it_says_it_is_not_ready_and_serves_on_until_told_again(psp: Service) -> None:
    psp.process.send_signal(signal.SIGTERM)
    until_blocking(lambda: psp.status("/ready") == 503, "it says that it drains")
    assert psp.status("/health") == 200
    psp.process.send_signal(signal.SIGTERM)
    assert psp.process.wait(30) == 0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGUSR1])
def test_interrupted_it_ends_without_draining(psp: Service, sent: signal.Signals) -> None:
    psp.process.send_signal(sent)
    assert psp.process.wait(30) == 0


def test_a_drain_ends_by_itself(folder: Path) -> None:
    process, _ = serve_psp(folder, drain_seconds="0.1")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_wrong_settings_are_one_line_and_status_2() -> None:
    process = serve("psp", port="many")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert output.count("\n") == 1
    assert all(
        part in output for part in ("psp: ", "VALERIX_PORT", "VALERIX_PSP_SECRET is missing")
    )


@pytest.mark.parametrize("names", [(), ("gateway",), ("orders", "users")])
def test_only_one_of_our_services_can_be_served(names: tuple[str, ...]) -> None:
    process = serve(*names)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "Name one service: psp, users" in output


def test_a_service_that_cannot_start_says_so_in_its_status(folder: Path) -> None:
    credentials = Credentials(folder)
    make_keys(credentials)
    process = serve(
        "psp",
        port=str(free_port()),
        keys_file=str(credentials.keys_file),
        psp_secret=credentials.psp_secret,
        ledger_file=str(folder),  # a directory
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
