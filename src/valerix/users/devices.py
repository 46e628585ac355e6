"""Devices that signed in before: a token that proves it, and grants no access (ADR 27).

The token belongs to one account and is `<id>.<MAC>`. The id is a UUIDv7, so it contains the age of
the token. The key of the MAC belongs to the account: a new key forgets all devices of the account,
and rotated signing keys forget none.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from valerix.contracts.ids import created_at

MAX_AGE: Final = timedelta(days=400)
MAX_TOKENS: Final = 5
"""The number of accounts that one browser remembers."""
SEPARATOR: Final = "~"


def device_token(secret: bytes, device_id: str) -> str:
    """Make the token of a device. `secret`: the device secret of the account."""
    mac = hmac.digest(secret, b"valerix-device:" + device_id.encode(), hashlib.sha256)
    return f"{device_id}.{urlsafe_b64encode(mac).decode().rstrip('=')}"


def recognised(secret: bytes, token: str, now: datetime) -> str | None:
    """The id of the device, if the token belongs to this account and is not too old."""
    device_id = token.partition(".")[0]
    genuine = hmac.compare_digest(device_token(secret, device_id).encode(), token.encode())
    return device_id if genuine and now - created_at(device_id) <= MAX_AGE else None


def find_device(secret: bytes, tokens: Iterable[str], now: datetime) -> str | None:
    """The first device among `tokens` that signed in to this account before."""
    return next((found for token in tokens if (found := recognised(secret, token, now))), None)


def remember(token: str, before: Iterable[str], device: str | None) -> list[str]:
    """The tokens that a browser keeps: `token` first, without the token of `device`.

    `token` replaces the token of `device`.
    """
    others = [other for other in before if other.partition(".")[0] != device]
    return [token, *others][:MAX_TOKENS]
