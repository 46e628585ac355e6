"""Output of the command line: text from elsewhere cannot send control sequences to the terminal."""

import re
import sys
from typing import Final, TextIO

from valerix.contracts.text import IN_LINES

_SEQUENCES: Final = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC: titles, links, the clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor, the screen
    r"|\x1b[ -/]*[0-~]"
)


def safe(text: str) -> str:
    """Return the text without control sequences and characters, except line breaks and tabs."""
    return text if text.isprintable() else IN_LINES.sub("", _SEQUENCES.sub("", text))


def safe_json(document: str) -> str:
    """Return the same JSON with characters that control a terminal escaped.

    Programs read it unchanged.
    """
    return IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def say(*parts: object, file: TextIO | None = None, flush: bool = False) -> None:
    """Print a line to `file`, by default stdout."""
    write(" ".join(map(str, parts)) + "\n", sys.stdout if file is None else file)
    if flush:
        (file or sys.stdout).flush()


def write(text: str, stream: TextIO) -> None:
    """Write the text without the sequences that would control the terminal."""
    stream.write(safe(text))
