"""The origin of a request: for limits, session lists and audit trails, never a reason for trust.

`X-Forwarded-*` counts only when the connection comes from a trusted proxy (setting `proxies`), and
of `X-Forwarded-For` only the last hop, which that proxy wrote itself. The client may have sent all
entries before it. The embedded stack's services listen on the loopback interface, where only the
gateway and local users reach them.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NewType

import msgspec

MAX_USER_AGENT = 200
IPV6_PREFIX = 64
Network = NewType("Network", str)
"""The key that limits count by: an IPv4 address, or the /64 of an IPv6 address.

One host has as many addresses of a /64 as it likes.
"""


class Origin(msgspec.Struct, frozen=True):
    """The client's `address`, its user agent, and whether it uses TLS (up to the gateway)."""

    address: str
    user_agent: str
    secure: bool

    @property
    def network(self) -> Network:
        return network_of(self.address)


def origin_of(scope: Any, headers: Mapping[bytes, bytes], proxies: Sequence[str]) -> Origin:
    """The origin of one request or WebSocket handshake."""
    peer = _peer(scope)
    secure = scope.get("scheme") in ("https", "wss")
    if _is_proxy(peer, tuple(proxies)):
        secure = secure or headers.get(b"x-forwarded-proto") == b"https"
    address = address_of(scope, headers, proxies)
    agent = headers.get(b"user-agent", b"").decode("latin-1")[:MAX_USER_AGENT]
    return Origin(address, "".join(c for c in agent if c.isprintable()), secure)


def address_of(scope: Any, headers: Mapping[bytes, bytes], proxies: Sequence[str]) -> str:
    """Only the client's address."""
    peer = _peer(scope)
    forwarded = headers.get(b"x-forwarded-for")
    if forwarded is None or not _is_proxy(peer, tuple(proxies)):
        return peer
    return _last(forwarded) or peer


@lru_cache(4096)
def network_of(address: str) -> Network:
    """The network that limits count an address by; a text that is no address counts as it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return Network(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return Network(str(parsed.ipv4_mapped))
        return Network(str(ip_network((parsed, IPV6_PREFIX), strict=False)))
    return Network(address)


def _peer(scope: Any) -> str:
    client = scope.get("client")
    return client[0] if client else ""


@lru_cache(4096)
def _last(forwarded: bytes) -> str | None:
    """The last entry of the list, if it is an address."""
    text = forwarded.decode("latin-1").rpartition(",")[2].strip()
    try:
        return str(ip_address(text))
    except ValueError:
        return None


@lru_cache(1024)
def _is_proxy(peer: str, proxies: tuple[str, ...]) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in ip_network(network) for network in proxies)
