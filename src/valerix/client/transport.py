"""HTTP as both clients share it: address, connections, meaning of failures."""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from pyreqwest.client import BaseClientBuilder
from pyreqwest.exceptions import RequestError

from valerix.client.steps import NoReply

B = TypeVar("B", bound=BaseClientBuilder)
DEFAULT_TIMEOUT_SECONDS: Final = 15.0
"""Longer than the ten seconds after which the server answers "pending" for an undecided order."""
CONNECT_TIMEOUT: Final = timedelta(seconds=3)


def base_url(url: str) -> str:
    """`url` without a trailing slash. Raises ValueError when it is not an HTTP address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(f"{url!r} is not an address such as http://127.0.0.1:8080")
    return url.rstrip("/")


def configured(builder: B, url: str, timeout_seconds: float, ca_file: Path | None = None) -> B:
    """Set timeouts, certificates and proxy of a client.

    Redirects are not followed, because they would send the token to any address they name. This
    machine is reached without a proxy.
    """
    builder = builder.follow_redirects(False).user_agent("valerix-client")
    builder = builder.connect_timeout(CONNECT_TIMEOUT).timeout(timedelta(seconds=timeout_seconds))
    if ca_file is not None:
        builder = builder.add_root_certificate_pem(ca_file.read_bytes())
    return builder.no_proxy() if _is_this_machine(urlsplit(url).hostname or "") else builder


def no_reply(error: RequestError, url: str) -> NoReply:
    """The outcome that an exception of the HTTP library stands for.

    Its ConnectError also covers connections lost after the request was sent; the causes distinguish
    the two cases.
    """
    causes = [cause["message"] for cause in (error.details or {}).get("causes") or []] or [
        error.message
    ]
    reason = "no answer in time" if isinstance(error, TimeoutError) else causes[-1]
    return NoReply(f"{url}: {reason}", sent="client error (Connect)" not in causes)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
