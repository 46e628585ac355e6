"""Every rule finds its violation and nothing else, in modules of today and of later versions."""

from pathlib import Path

import pytest

from tests.architecture import states
from tests.architecture.every_rule import RULES
from tests.architecture.plants import PLANTS
from tests.architecture.plants.modules import IDS
from tests.architecture.plants.plant import Plant, full, now
from tests.architecture.roles import Role
from tests.architecture.tree import Tree


def violations(tree: Tree) -> dict[str, list[str]]:
    return {name: found for name, rule in RULES.items() if (found := list(rule.check(tree)))}


def test_a_sound_tree_violates_no_rule(tmp_path: Path) -> None:
    assert violations(Plant({}, "").grow(tmp_path)) == {}


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        pytest.param(r, plant, id=f"{r}: {plant.found}")
        for r, plants in PLANTS.items()
        for plant in plants
    ],
)
def test_a_planted_violation_is_found(rule: str, plant: Plant, tmp_path: Path) -> None:
    assert violations(plant.grow(tmp_path)) == {rule: [full(plant.found)]}


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, plants in PLANTS.items() if plants} == RULES.keys()


def test_the_real_clock_as_a_default_is_no_violation(tmp_path: Path) -> None:
    text = (
        f"{IDS}\nimport random\n"
        "def f(make_id=new_id, chance=random.random): return make_id(), chance()"
    )
    assert violations(Plant({now(Role.USE_CASES): text}, "").grow(tmp_path)) == {}


@pytest.mark.parametrize("path", states.HOMONYMS)
def test_a_word_that_means_something_else_is_no_violation(path: str, tmp_path: Path) -> None:
    said = "\n".join(f'x = "{word}"' for word in states.HOMONYMS[path])
    assert list(states.states_are_written_once(Plant({path: said}, "").grow(tmp_path))) == []
