"""For whom this is done: the token of the person whose request is being served, on its way to the services behind.

Empty where there is no such person: in background work, and in batches, which serve many at once (their commands name
the customers themselves). It proves who asked; what a service may do, its own token decides.
"""

from contextvars import ContextVar
from typing import Final

HEADER: Final = "valerix-on-behalf-of"
person_token: ContextVar[str] = ContextVar("person_token", default="")
