"""Text from elsewhere does not control the terminal: titles, colours, cursor, text direction."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.live import Live
from rich.text import Text

from valerix.cli.output import console, print_json, table
from valerix.launcher.logs import Terminal
from valerix.launcher.terminal import safe, say

HOSTILE = {
    "title": "a\x1b]0;owned\x07b",
    "title, by its string terminator": "a\x1b]2;owned\x1b\\b",
    "link": "a\x1b]8;;http://evil.example\x1b\\b",
    "clipboard": "a\x1b]52;c;b3duZWQ=\x07b",
    "title without an end": "a\x1b]0;owned\nb",
    "screen": "a\x1b[2Jb",
    "colour": "a\x1b[38;5;196mb",
    "private mode": "a\x1b[?1049hb",
    "reset": "a\x1bcb",
    "character set": "a\x1b(0b",
    "device control": "a\x1bPq#0\x1b\\b",
    "one-byte controls": "a\x9b2J\x9d0;owned\x9cb",
    "return": "a\rb",
    "backspace": "a\x08\x07\x7fb",
    "direction": "a\u202e\u2066b",
    "separators": "a\u2028\x85b",
    "an unfinished sequence": "a\x1b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_control_sequences_are_taken_out(text: str) -> None:
    assert safe(text).replace("\n", "") in ("ab", "a")


@pytest.mark.parametrize(
    "text", ["Zoë 東京 👩‍🚀", "a\n\tb", "\u200e\u200f\u061c\u200c", "[red]x[/red] 100 % \\x1b"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def say_it(text: str) -> None:
    say(text)


def print_it(text: str) -> None:
    console().print(text, soft_wrap=True)


def print_text(text: str) -> None:
    console(markup=True).print(Text(text))


def print_table(text: str) -> None:
    made = table("name")
    made.add_row(text)
    console().print(made)


def print_document(text: str) -> None:
    print_json({"name": text})


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("show", [say_it, print_it, print_text, print_table, print_document])
def test_nothing_that_is_shown_controls_the_terminal(
    show: Callable[[str], None], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show(text)
    shown = capsys.readouterr().out
    assert shown == safe(shown)
    if show is print_document:
        assert json.loads(shown) == {"name": text}
    else:
        assert "owned" not in shown


def test_log_lines_do_not_control_the_terminal() -> None:
    out = io.StringIO()
    Terminal(["orders"], out).write("orders", b"a\x1b[2J\xc2\x9b2Jb\n")
    assert out.getvalue() == "orders | ab\n"


@pytest.mark.parametrize("stderr", [False, True])
def test_what_is_no_terminal_gets_plain_lines_whatever_is_forced(
    stderr: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = console(stderr=stderr)
    with Live(console=out, transient=True, auto_refresh=False) as live:
        live.update(Text("going on", "red"), refresh=True)
    out.print(Text("done", "green"))
    shown = capsys.readouterr()
    assert (shown.err if stderr else shown.out).split() == ["done"]
    assert "\x1b" not in shown.out + shown.err


@pytest.mark.parametrize("words", [["up", "--help"], ["up", "--nonsense"]], ids=["help", "usage"])
def test_help_and_usage_are_plain_lines_where_there_is_no_terminal(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "valerix.cli.main", *words],
        env=os.environ | {"FORCE_COLOR": "1", "GITHUB_ACTIONS": "true"},
        capture_output=True,
        check=False,
    )
    shown = done.stdout + done.stderr
    assert b"up" in shown
    assert b"\x1b" not in shown
