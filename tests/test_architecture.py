"""Executes the architecture rules: one test per rule in tests/architecture/rules.py. Each failure
says what to do.

`roles.py` there is the table of roles that the rules use; `plants` has violations of each rule.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.architecture import seams, states
from tests.architecture.every_rule import RULES
from tests.architecture.rules import Rule
from tests.architecture.tree import SOURCE, Tree


@cache
def checkout() -> Tree:
    return Tree(Path(__file__).parents[1])


def holds(rule: Rule) -> Callable[..., None]:
    """Builds the test of a rule, parametrized by folder if the rule has rooms."""

    def check(inside: str) -> None:
        found = [violation for violation in rule.check(checkout()) if violation.startswith(inside)]
        assert not found, f"{rule.advice}:\n  " + "\n  ".join(found)

    def test() -> None:
        check("")

    @pytest.mark.parametrize("room", rule.rooms)
    def test_in(room: str) -> None:
        check(f"{SOURCE}{room}/")

    return test_in if rule.rooms else test


globals().update({f"test_{name}": holds(rule) for name, rule in RULES.items()})


def test_every_homonym_of_a_state_is_still_said() -> None:
    said = {(path, word) for path, _, word in states.said(checkout())}
    assert {(path, word) for path, words in states.HOMONYMS.items() for word in words} <= said


def test_every_exempt_call_is_still_there() -> None:
    called = {(path, name) for path, _, name in seams.called(checkout())}
    assert {(path, name) for path, exempt in seams.EXEMPT.items() for name in exempt} <= called
