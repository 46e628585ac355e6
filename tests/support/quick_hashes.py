"""Hashes of passwords at a fraction of their cost, for tests that sign in hundreds of times.

The product's hash costs some 30 ms on purpose; tests of it and all stacks have it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from argon2 import PasswordHasher

from valerix.users import passwords

QUICK: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@contextmanager
def quick_hashes() -> Iterator[None]:
    """New hashes of this process are quick to make and to verify."""
    with patch.object(passwords, "_hasher", QUICK):
        yield
