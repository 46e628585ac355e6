"""The time-outs depend on one another.

One factor scales all of them, and a broken ratio is refused at start.
"""

from pathlib import Path

import msgspec
import pytest

from valerix.chassis.base import settings
from valerix.chassis.base.settings import ServiceSettings, SettingsError
from valerix.chassis.base.timeouts import LEAST_LEASE_SECONDS, Timeouts
from valerix.launcher.errors import LauncherError
from valerix.launcher.settings import time_limits

NEEDED = {"VALERIX_PORT": "1", "VALERIX_KEYS_FILE": "keys.json"}
SECONDS = [field.name for field in msgspec.structs.fields(Timeouts) if field.name != "time_scale"]


def loaded(**given: float) -> ServiceSettings:
    """The settings of a service, by field name."""
    environ = {f"VALERIX_{name.upper()}": str(value) for name, value in given.items()}
    return settings.load(ServiceSettings, NEEDED | environ)


def test_the_defaults_keep_their_ratios() -> None:
    assert loaded() == ServiceSettings(port=1, keys_file=Path("keys.json"))


def test_every_time_out_is_in_seconds() -> None:
    assert [name for name in SECONDS if not name.endswith("_seconds")] == []


@pytest.mark.parametrize("name", [name for name in SECONDS if "lease" not in name])
def test_one_factor_scales_every_time_out(name: str) -> None:
    default: float = getattr(Timeouts(), name)
    assert getattr(loaded(time_scale=0.5), name) == default / 2


def test_a_given_value_is_scaled_like_a_default() -> None:
    assert loaded(time_scale=0.5, deadline_seconds=8).deadline_seconds == 4


@pytest.mark.parametrize(
    ("scale", "saga", "step"), [(0.5, 10.0, 5.0), (0.15, 3.0, LEAST_LEASE_SECONDS)]
)
def test_a_scaled_lease_stays_above_its_least(scale: float, saga: float, step: float) -> None:
    scaled = loaded(time_scale=scale)
    assert (scaled.saga_lease_seconds, scaled.step_lease_seconds) == (saga, step)


def test_what_is_not_scaled_may_be_as_short_as_its_ratios_allow() -> None:
    assert loaded(step_lease_seconds=0.5).step_lease_seconds == 0.5


BROKEN: list[tuple[dict[str, float], str]] = [
    (
        {"saga_lease_seconds": 19.9},
        "VALERIX_SAGA_LEASE_SECONDS must be at least twice VALERIX_DEADLINE_SECONDS",
    ),
    (
        {"step_lease_seconds": 20},
        "VALERIX_STEP_LEASE_SECONDS must be below VALERIX_SAGA_LEASE_SECONDS",
    ),
    (
        {"step_wait_seconds": 2.6},
        "VALERIX_STEP_WAIT_SECONDS must be at most half of VALERIX_CALL_TIMEOUT_SECONDS",
    ),
    (
        {"batch_slot_seconds": 2.6},
        "VALERIX_BATCH_SLOT_SECONDS must be at most half of VALERIX_CALL_TIMEOUT_SECONDS",
    ),
    (
        {"charge_wait_seconds": 0.5},
        "VALERIX_CHARGE_WAIT_SECONDS must be below VALERIX_BATCH_SLOT_SECONDS",
    ),
    (
        {"sweep_wait_seconds": 10},
        "VALERIX_SWEEP_WAIT_SECONDS must be below VALERIX_DEADLINE_SECONDS",
    ),
    (
        {"provider_wait_seconds": 9.6},
        "VALERIX_PROVIDER_WAIT_SECONDS must leave VALERIX_ANSWER_MARGIN_SECONDS of",
    ),
    ({"call_timeout_seconds": 5.1}, "VALERIX_BREAKER_WINDOW_SECONDS must be at least twice"),
    ({"provider_timeout_seconds": 5.1}, "VALERIX_BREAKER_WINDOW_SECONDS must be at least twice"),
    ({"answer_margin_seconds": 2.5}, "VALERIX_ANSWER_MARGIN_SECONDS must be below a quarter of"),
    (
        {"send_timeout_seconds": 60},
        "VALERIX_SEND_TIMEOUT_SECONDS must be below VALERIX_SEND_LEASE_SECONDS",
    ),
    ({"time_scale": 0}, "VALERIX_TIME_SCALE must be above 0"),
    (
        {"time_scale": 0.1},
        "VALERIX_STEP_LEASE_SECONDS must be below VALERIX_SAGA_LEASE_SECONDS",
    ),  # both minimal
]


@pytest.mark.parametrize(
    ("given", "reason"), BROKEN, ids=[" ".join(given) for given, _ in BROKEN[:-1]] + ["too_small"]
)
def test_a_broken_ratio_is_refused_and_named(given: dict[str, float], reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(**given)
    assert reason in str(refused.value)


def test_the_launcher_refuses_it_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALERIX_DEADLINE_SECONDS", "11")
    with pytest.raises(LauncherError, match="VALERIX_SAGA_LEASE_SECONDS must be at least twice"):
        time_limits()
