"""The on-behalf-of token: the token of the person behind a request, sent along to other services.

Empty where there is no such person: in background work, and in batches, which serve many people at
once (their commands name the customers themselves). The token proves which person sent the request.
What a service may do is decided by the service's own token.
"""

from contextvars import ContextVar
from typing import Final

HEADER: Final = "valerix-on-behalf-of"
person_token: ContextVar[str] = ContextVar("person_token", default="")
