"""Tokens that mails carry: users lets in who shows one, notifications writes it into the mail.

A token follows from the event that asked for the mail and a secret of these two services, so it crosses no bus and lies
in no table: users keeps its hash, notifications makes it when the mail is sent.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Final

LIFE_SECONDS: Final = 1800.0
"""Of a token, from its event on."""


def mail_token(secret: str, event_id: str) -> str:
    """256 bits that only those can know who have the secret, or the mail about the event `<subject>:<sequence>`."""
    mac = hmac.digest(secret.encode(), b"valerix-mail:" + event_id.encode(), hashlib.sha256)
    return urlsafe_b64encode(mac).decode().rstrip("=")
