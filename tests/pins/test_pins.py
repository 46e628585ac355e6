"""Names that are data: other programs, stored rows, messages in transit and files on disk contain
them.

Classes and modules may be renamed freely, these names may not: `tests/pins/lists` has one file per
section, one name per line.
"""

import pytest

from tests.pins import samples
from tests.pins.facts import ADVICE, Facts, changes, recorded
from tests.pins.gather import gather

RECORDED = recorded()


@pytest.fixture(scope="module")
def now() -> Facts:
    return gather()


@pytest.mark.parametrize("section", RECORDED)
def test_names_are_as_they_were_recorded(now: Facts, section: str) -> None:
    found = changes(RECORDED[section], now.get(section, ()))
    assert not found, f"{section}: {ADVICE}:\n" + "\n".join(found)


def test_every_section_is_recorded(now: Facts) -> None:
    assert list(now) == list(RECORDED), f"A section is new or missing. {ADVICE}"


def test_the_runner_records_the_checksums_of_the_files(now: Facts) -> None:
    assert {line.split(" ")[3] for line in now["migrations"]} == samples.checksums()


@pytest.mark.parametrize("section", RECORDED)
def test_one_changed_name_is_reported_alone(section: str) -> None:
    for place, line in enumerate(RECORDED[section]):
        changed = [*RECORDED[section][:place], f"{line}x", *RECORDED[section][place + 1 :]]
        assert changes(RECORDED[section], changed) == [f"- {line}", f"+ {line}x"]
