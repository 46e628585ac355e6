"""Tokens in mails: notifications writes one into the mail, users accepts it as a credential.

A token is derived from the event that requested the mail and from a secret of these two services,
so it crosses no bus and lies in no table. users stores its hash; notifications computes it when the
mail is sent.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Final

LIFE_SECONDS: Final = 1800.0
"""Lifetime of a token, counted from the time of its event."""


def mail_token(secret: str, event_id: str) -> str:
    """Return the token of the event `<subject>:<sequence>`: 256 bits.

    Only a holder of the secret, or of the mail about the event, can know it.
    """
    mac = hmac.digest(secret.encode(), b"valerix-mail:" + event_id.encode(), hashlib.sha256)
    return urlsafe_b64encode(mac).decode().rstrip("=")
