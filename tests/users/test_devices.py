"""The tokens of devices that signed in before."""

from datetime import timedelta

from valerix.contracts.ids import created_at, new_id
from valerix.users.devices import MAX_AGE, MAX_TOKENS, device_token, find_device, remember

MINE, OTHERS = b"secret of one account", b"a secret of another"
DEVICE = new_id()
NOW = created_at(DEVICE)


def test_a_device_is_recognised_by_its_own_account_alone() -> None:
    token = device_token(MINE, DEVICE)
    assert find_device(MINE, ["nonsense", token], NOW) == DEVICE
    assert find_device(OTHERS, [token], NOW) is None
    for forged in (
        token[:-1],
        token + "x",
        DEVICE,
        "",
        ".",
        f"{new_id()}.{token.partition('.')[2]}",
    ):
        assert find_device(MINE, [forged], NOW) is None


def test_a_token_is_too_old_after_four_hundred_days() -> None:
    token = device_token(MINE, DEVICE)
    assert find_device(MINE, [token], NOW + MAX_AGE) == DEVICE
    assert find_device(MINE, [token], NOW + MAX_AGE + timedelta(seconds=1)) is None


def test_a_new_secret_forgets_all_devices() -> None:
    assert find_device(MINE + b"!", [device_token(MINE, DEVICE)], NOW) is None


def test_a_browser_keeps_the_newest_accounts_and_one_token_of_each() -> None:
    token = device_token(MINE, DEVICE)
    others = [device_token(OTHERS, new_id()) for _ in range(2 * MAX_TOKENS)]
    kept = remember("new", [others[0], token, *others[1:]], DEVICE)
    assert kept == ["new", *others[: MAX_TOKENS - 1]]
