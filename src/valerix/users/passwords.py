"""Passwords: the rule for acceptable ones, and Argon2id in a bounded pool of threads.

A hash costs some 30 ms and 19 MiB on purpose. At most `threads` hashes run at once and `queue`
wait. One more is refused before any work, so that a storm of sign-ins cannot take the machine from
the orders.
"""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import resources
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from valerix.chassis.base.problems import FieldError, Invalid, Unavailable

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 128
MIN_DISTINCT: Final = 4
MIN_WORD: Final = 4
PRODUCT: Final = "valerix"
T = TypeVar("T")

_hasher = PasswordHasher(
    time_cost=2, memory_cost=19 * 1024, parallelism=1
)  # OWASP's Argon2id minimum


def _common() -> frozenset[str]:
    lines = (resources.files("valerix.users") / "common_passwords.txt").read_text().splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


COMMON: Final = _common()
"""More than ten thousand common passwords, in lower case."""
SIGNS: Final = re.compile(r"[\W_]+")
ORNAMENT: Final = re.compile(r"^[\W\d_]+|[\W\d_]+\Z")


def check_acceptable(password: str, email: str, name: str, pointer: str = "/password") -> None:
    """Raise Invalid for a password that is among the first guesses.

    Digits and signs around such a password do not help. The length was checked before.

    There are no other rules: they make passwords harder to remember, not harder to guess (NIST SP
    800-63B-4, 3.1.1.2).
    """
    plain = unicodedata.normalize("NFKC", password).casefold()
    core = ORNAMENT.sub("", plain)
    if (
        plain in COMMON
        or core in COMMON
        or len(set(plain)) < MIN_DISTINCT
        or _of_context(plain, email, name)
    ):
        message = "This password is too easy to guess; several unrelated words make a good one"
        raise Invalid(message, [FieldError(pointer, message)])


def _of_context(plain: str, email: str, name: str) -> bool:
    """Whether the password contains a publicly known word of this account.

    A short word counts only when it is the whole password, because it is part of many other words.
    """
    local = email.partition("@")[0]
    known = {
        _letters(text)
        for text in (email, local, name, PRODUCT, *SIGNS.split(local), *SIGNS.split(name))
    } - {""}
    letters = _letters(plain)
    without_digits = letters.strip("0123456789")
    return any(
        word in letters if len(word) >= MIN_WORD else word == without_digits for word in known
    )


def _letters(text: str) -> str:
    """The letters and digits of a text, in the form in which they are compared."""
    return SIGNS.sub("", unicodedata.normalize("NFKC", text).casefold())


def hash_password(password: str) -> str:
    """The PHC string of Argon2id with a salt of its own. Blocks for some 30 ms."""
    return _hasher.hash(_bytes(password))


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, _bytes(password))
    except VerifyMismatchError:
        return False


def _bytes(password: str) -> bytes:
    """The same bytes for every keyboard: systems compose accented letters differently."""
    return unicodedata.normalize("NFC", password).encode()


class PasswordPool:
    """Hashes and checks passwords off the event loop, within bounds."""

    def __init__(self, executor: ThreadPoolExecutor, limit: int, decoy: str) -> None:
        self._executor = executor
        self._limit = limit
        self._decoy = decoy
        self._admitted = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, threads: int, queue: int) -> AsyncIterator[Self]:
        """Open a pool that runs `threads` hashes at once, with `queue` more waiting."""
        with ThreadPoolExecutor(threads, "password") as executor:
            yield cls(executor, threads + queue, hash_password(secrets.token_hex()))

    async def hash(self, password: str) -> str:
        """Hash a password. Raises Unavailable when too many requests are waiting."""
        return await self._run(lambda: hash_password(password))

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Whether the password belongs to the hash. Without a hash the same work is done in vain.

        Raises Unavailable when too many requests are waiting.
        """
        matches = await self._run(lambda: _verify(hashed or self._decoy, password))
        return matches and hashed is not None

    def check_capacity(self) -> None:
        """Raise Unavailable when too many requests are waiting.

        Called first, so that a refusal costs no other work.
        """
        if self._admitted >= self._limit:
            raise Unavailable("Too many sign-ins are in progress at this moment")

    async def _run(self, work: Callable[[], T]) -> T:
        self.check_capacity()
        self._admitted += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._admitted -= 1
