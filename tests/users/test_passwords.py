"""Passwords: the rule for acceptable ones, and the limit of concurrent work on them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from valerix.chassis.base.problems import FieldError, Invalid, Unavailable
from valerix.chassis.limits.origin import Origin
from valerix.users import passwords
from valerix.users.domain import TOKEN, SessionRules
from valerix.users.passwords import COMMON, PasswordPool, check_acceptable, hash_password
from valerix.users.sessions import Sessions
from valerix.users.use_cases import Users

GOOD = "correct horse battery"


def test_the_list_of_common_passwords_is_long_and_in_the_form_it_is_searched_in() -> None:
    assert len(COMMON) > 10_000
    assert [word for word in COMMON if word != word.lower() or not word.strip()] == []


@pytest.mark.parametrize(
    "easy",
    [
        "Password123",
        "ada@example.com",
        "aaaaaaaaaaaa",
        "abcabcabcabc",
        "1qaz2wsx3edc",
        "!!Dragon2026!!",
        "Ada.Lovelace1815",
        "Valerix-2026",
    ],
)
def test_what_is_guessed_first_is_refused_with_a_pointer(easy: str) -> None:
    for email in ("ada@example.com", "ada.lovelace@example.com"):
        try:
            check_acceptable(easy, email, "N")
        except Invalid as refused:
            (error,) = refused.extra["errors"]
            assert isinstance(error, FieldError)
            assert error.pointer == "/password"
            return
    pytest.fail("accepted")


def test_an_ordinary_passphrase_is_accepted() -> None:
    for good in (GOOD, "x" * 60 + "yzab", "123 dragons ate 456 knights", "пароль от сейфа"):
        check_acceptable(good, "ada@example.com", "Ada")


@pytest.mark.parametrize(
    "easy",
    [
        "my Valerix account",
        "v.a.l.e.r.i.x!!!",
        "lovelace and engines",
        "analytical KING",
        "Ada-1815-1852",
        "countess of numbers",
        "C.o.u.n.t.e.s.s 77",
        "\uff56\uff41\uff4c\uff45\uff52\uff49\uff58 forever",
    ],
)
def test_words_that_everybody_knows_of_an_account_are_refused_wherever_they_stand(
    easy: str,
) -> None:
    with pytest.raises(Invalid):
        check_acceptable(easy, "countess@example.com", "Ada King Lovelace")


def test_a_short_name_within_another_word_is_no_context() -> None:
    check_acceptable("canada geese migrate", "ada@example.com", "Ada Li")


def test_a_hash_is_argon2id_with_the_parameters_we_promise_and_a_salt_of_its_own() -> None:
    first, second = hash_password(GOOD), hash_password(GOOD)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert GOOD not in first


async def test_only_the_right_password_matches() -> None:
    async with PasswordPool.open(1, 8) as pool:
        hashed = await pool.hash(GOOD)
        assert await pool.verify(hashed, GOOD)
        assert not await pool.verify(hashed, GOOD + "!")


async def test_a_password_matches_however_its_accents_are_composed() -> None:
    async with PasswordPool.open(1, 8) as pool:
        hashed = await pool.hash("caf\u00e9 au lait!")
        assert await pool.verify(hashed, "cafe\u0301 au lait!")


async def test_without_a_hash_one_is_verified_all_the_same_and_never_matches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[str] = []

    def always(hashed: str, _: str) -> bool:
        verified.append(hashed)
        return True

    monkeypatch.setattr(passwords, "_verify", always)
    async with PasswordPool.open(1, 8) as pool:
        assert not await pool.verify(None, GOOD)
    assert [hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for hashed in verified] == [True]


async def test_hashing_leaves_the_event_loop_free() -> None:
    async with PasswordPool.open(1, 64) as pool:
        hashing = asyncio.gather(*(pool.hash(GOOD) for _ in range(20)))
        turns = 0
        while not hashing.done():
            await asyncio.sleep(0.001)
            turns += 1
        await hashing
    assert turns > 20


async def test_more_than_may_wait_are_refused_at_once_and_the_rest_are_served() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        pool = PasswordPool(executor, limit=3, decoy=hash_password(GOOD))
        executor.submit(release.wait)
        waiting = [asyncio.create_task(pool.hash(GOOD)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await pool.hash(GOOD)
        assert refused.value.headers["Retry-After"]
        release.set()
        assert len(await asyncio.gather(*waiting)) == 3
        assert await pool.hash(GOOD)


async def test_a_full_pool_refuses_sign_in_and_registration_before_any_other_work() -> None:
    untouched: Any = object()  # neither limits nor database: a flood must not load them
    origin = Origin("203.0.113.7", "a browser", secure=True)
    with ThreadPoolExecutor(1) as executor:
        full = PasswordPool(executor, limit=0, decoy="")
        sessions = Sessions(untouched, full, untouched, untouched, SessionRules(), untouched)
        users = Users(untouched, full, untouched, untouched, untouched)
        with pytest.raises(Unavailable):
            await sessions.login("ada@example.com", GOOD, TOKEN, origin)
        with pytest.raises(Unavailable):
            await users.register("Ada", "ada@example.com", GOOD, origin)
