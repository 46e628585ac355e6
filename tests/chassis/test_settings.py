"""Settings are read once. A renamed setting is refused under its old name, with the new one
named.
"""

import pytest

from tests.pins.facts import recorded
from valerix.chassis.base.settings import RENAMED, ServiceSettings, SettingsError, load


@pytest.mark.parametrize("former", RENAMED)
def test_a_setting_with_its_former_name_is_refused(former: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(
            ServiceSettings,
            {
                "VALERIX_PORT": "1",
                "VALERIX_KEYS_FILE": "keys.json",
                f"VALERIX_{former.upper()}": "3",
            },
        )
    assert (
        str(refused.value)
        == f"VALERIX_{former.upper()} is called VALERIX_{RENAMED[former].upper()} now"
    )


def test_every_setting_that_was_renamed_is_one() -> None:
    names = {line.split(" ")[1].removeprefix("VALERIX_").lower() for line in recorded()["settings"]}
    assert set(RENAMED.values()) <= names
    assert not names & RENAMED.keys()
