"""The installation that a command calls, and the command lines that reach it again."""

import shlex
from pathlib import Path
from typing import NamedTuple

from valerix.launcher import control
from valerix.launcher.errors import LauncherError
from valerix.launcher.settings import default_data_dir
from valerix.launcher.state import StackState


class Installation(NamedTuple):
    """An installation and its login. `data_dir` is None if only the address is known."""

    url: str
    data_dir: Path | None = None
    email: str | None = None
    password: str | None = None
    token: str | None = None
    ca_file: Path | None = None
    """Authority to trust in addition to those of this machine."""

    def command(self, words: str) -> str:
        """Return a command line to paste that reaches the same installation."""
        return f"./valerix {words}{self._options()}"

    def _options(self) -> str:
        if self.data_dir is None:
            return f" --url {shlex.quote(self.url)}"
        return data_dir_option(self.data_dir)


def running_stack(data_dir: Path) -> StackState:
    """Return the state of the running stack in `data_dir`.

    Raises LauncherError if there is none.
    """
    state = control.running(data_dir.resolve())
    if state is None:
        start = f"./valerix up{data_dir_option(data_dir.resolve())}"
        raise LauncherError(f"No stack is running in {data_dir}: start it with `{start}`")
    return state


def data_dir_option(data_dir: Path) -> str:
    """Return the --data-dir option with a space in front; empty for the default folder."""
    return "" if data_dir == default_data_dir() else f" --data-dir {shlex.quote(str(data_dir))}"
