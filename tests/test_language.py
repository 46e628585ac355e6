"""Limits of what `python -m tools.language` counts."""

from pathlib import Path

import pytest
from tools.language.measures import Language, measured

MOST_VAGUE, LEAST_DOCUMENTED = 1, 0.77


@pytest.fixture(scope="module")
def language() -> Language:
    return measured(Path(__file__).parents[1])


def test_sentences_have_a_thing_for_their_subject(language: Language) -> None:
    assert language.vague_per_thousand <= MOST_VAGUE, "\n".join(language.vague)


def test_public_names_have_docstrings(language: Language) -> None:
    assert language.documented >= LEAST_DOCUMENTED


def test_no_line_is_wider_than_a_page(language: Language) -> None:
    assert language.wide_python + language.wide_javascript == []
