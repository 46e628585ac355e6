"""Names that are data: what other programs, stored rows, messages under way and files on disk have, one line a name.

A class or a module may be called what it likes. These may not: `tests/pins/lists` has them, a file a section.
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
    assert list(now) == list(RECORDED), f"Record it: python -m tests.pins. {ADVICE}"


def test_the_runner_records_the_checksums_of_the_files(now: Facts) -> None:
    assert {line.split(" ")[3] for line in now["migrations"]} == samples.checksums()


@pytest.mark.parametrize("section", RECORDED)
def test_one_changed_name_is_reported_alone(section: str) -> None:
    for place, line in enumerate(RECORDED[section]):
        changed = [*RECORDED[section][:place], f"{line}x", *RECORDED[section][place + 1 :]]
        assert changes(RECORDED[section], changed) == [f"- {line}", f"+ {line}x"]
