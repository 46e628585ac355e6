"""The call by which the console reads injected faults from a service that stores its own."""

from typing import Final

READ_FAULTS: Final = "/internal/v1/chaos"
