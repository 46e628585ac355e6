"""What the console asks a service that keeps the faults injected into it by itself."""

from typing import Final

READ_FAULTS: Final = "/internal/v1/chaos"
