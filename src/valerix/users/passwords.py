"""Passwords: what is accepted, and Argon2id in a bounded pool of threads.

A hash costs some 20 ms and 19 MiB on purpose. At most `threads` run at once and `queue` wait; one more is refused
before any work, so that a storm of sign-ins cannot take the machine from the orders.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, Self, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from valerix.chassis.problems import FieldError, Invalid, Unavailable

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 128
MIN_DISTINCT: Final = 4
T = TypeVar("T")

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP's Argon2id minimum

COMMON: Final = frozenset(
    """
    0123456789 0987654321 1029384756 1111111111 1122334455 1212121212 123123123123 1231231234 1234512345 1234554321
    123456123456 12345678900 1234567890 12345678901 12345678910 123456789a 123456789q 1234567891 1234567899 1234qwerasdf
    123qweasdzxc 147258369a 1a2b3c4d5e 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc 3.1415926535 9876543210
    abc123abc123 abcd123456 abcdefghij abcdefghijk administrator adminadmin admin12345 admin123456 asdfasdfasdf
    asdfghjkl1 asdfghjkl; asdfghjkl123 baseball123 basketball blink182blink changeme123 charlie123 chocolate1
    computer123 correcthorse dragon12345 facebook123 football123 hello12345 helloworld iloveyou12 iloveyou123
    iloveyou1234 iloveyou2u
    jordan12345 letmein123 letmein1234 liverpool1 liverpool123 manchester masterkey1 michael123 minecraft1
    minecraft123 monkey12345 mypassword p@ssw0rd123 p@ssword123 passw0rd123 passw0rd1234 password01
    password11 password12 password123 password1234 password12345 password123456 password1! password2024 password2025
    password2026 passwordpassword pokemon123 princess12 princess123 q1w2e3r4t5 q1w2e3r4t5y6 qazwsxedc1 qazwsxedc123
    qazwsxedcrfv qwe123qwe123 qweasdzxc123 qwer123456 qwerqwerqwer qwert12345 qwerty1234 qwerty12345 qwerty123456
    qwertyqwerty qwertyuiop qwertyuiop1 qwertyuiop123 qwertyuiop[] secret12345 spiderman1 starwars123 sunshine12
    sunshine123 superman12 superman123 test123456 testtest123 trustno1trustno1 unknown123 welcome123 welcome1234
    welcome2024 welcome2025 welcome2026 whatever12 zaq12wsxcde3 zxcvbnm123 zxcvbnm12345
    """.split()  # noqa: SIM905 - a hundred quoted strings read worse
)


def check_acceptable(password: str, email: str, pointer: str = "/password") -> None:
    """Raises Invalid for what is guessed first; its length was checked with the body."""
    plain = password.lower()
    if plain in COMMON or plain == email.lower() or len(set(plain)) < MIN_DISTINCT:
        message = "This password is too easy to guess; several unrelated words make a good one"
        raise Invalid(message, [FieldError(pointer, message)])


def hash_password(password: str) -> str:
    """PHC string of Argon2id with a salt of its own. Blocks for some 20 ms."""
    return _hasher.hash(_bytes(password))


def _verify(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, _bytes(password))
    except VerifyMismatchError:
        return False


def _bytes(password: str) -> bytes:
    """The same on every keyboard: systems compose accented letters differently."""
    return unicodedata.normalize("NFC", password).encode()


class PasswordPool:
    """Hashing and checking off the event loop, bounded."""

    def __init__(self, executor: ThreadPoolExecutor, limit: int, decoy: str) -> None:
        self._executor = executor
        self._limit = limit
        self._decoy = decoy
        self._admitted = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, threads: int, queue: int) -> AsyncIterator[Self]:
        """`threads` hashes at once, `queue` more waiting."""
        with ThreadPoolExecutor(threads, "password") as executor:
            yield cls(executor, threads + queue, hash_password(secrets.token_hex()))

    async def hash(self, password: str) -> str:
        """Raises Unavailable when too many are waiting."""
        return await self._run(lambda: hash_password(password))

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Whether the password belongs to the hash. Without a hash the same work is done for nothing.

        Raises Unavailable when too many are waiting.
        """
        matches = await self._run(lambda: _verify(hashed or self._decoy, password))
        return matches and hashed is not None

    async def _run(self, work: Callable[[], T]) -> T:
        if self._admitted >= self._limit:
            raise Unavailable("Too many people are signing in at this moment")
        self._admitted += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._admitted -= 1
