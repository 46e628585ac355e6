"""Where a command is sent, and how to send another one there."""

import shlex
from pathlib import Path
from typing import NamedTuple

from valerix.launcher import control
from valerix.launcher.errors import LauncherError
from valerix.launcher.settings import default_data_dir
from valerix.launcher.state import StackState


class Installation(NamedTuple):
    """`data_dir` is None for one that is known by its address alone."""

    url: str
    data_dir: Path | None = None
    email: str | None = None
    password: str | None = None
    token: str | None = None
    ca_file: Path | None = None
    """Trusted besides what this machine trusts anyway."""

    def command(self, words: str) -> str:
        """A command to paste, that reaches the same installation."""
        return f"./valerix {words}{self._options()}"

    def _options(self) -> str:
        if self.data_dir is None:
            return f" --url {shlex.quote(self.url)}"
        return data_dir_option(self.data_dir)


def running_stack(data_dir: Path) -> StackState:
    """Raises LauncherError when there is none."""
    state = control.running(data_dir.resolve())
    if state is None:
        start = f"./valerix up{data_dir_option(data_dir.resolve())}"
        raise LauncherError(f"No stack is running in {data_dir}: start it with `{start}`")
    return state


def data_dir_option(data_dir: Path) -> str:
    """What to add to a command line for it, with a space in front; nothing for the default."""
    return "" if data_dir == default_data_dir() else f" --data-dir {shlex.quote(str(data_dir))}"
