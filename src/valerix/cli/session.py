"""Which installation a command talks to, and as whom."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from valerix.cli.failures import report
from valerix.client import Valerix, ValerixError
from valerix.launcher import control
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.settings import default_data_dir
from valerix.launcher.state import StackState
from valerix.launcher.summary import ADMINISTRATOR, OPERATOR, gateway_url

PATIENCE_SECONDS = 10.0
"""Somebody is waiting at the keyboard."""

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="VALERIX_URL", help="Another installation than the stack in --data-dir."),
]
Token = Annotated[str | None, typer.Option("--token", envvar="VALERIX_TOKEN", help="Access token for --url.")]


class Installation(NamedTuple):
    """`options`: what to add to a command line so that it reaches the same one."""

    url: str
    options: str
    email: str | None = None
    password: str | None = None
    token: str | None = None

    def command(self, words: str) -> str:
        """A command to paste."""
        return f"./valerix {words}{self.options}"

    @contextmanager
    def client(self, *, as_json: bool) -> Iterator[Valerix]:
        """Failures end the command with status 1 and one line on stderr; with `as_json` also a document on stdout."""
        try:
            with Valerix(
                self.url,
                email=self.email,
                password=self.password,
                token=self.token,
                patience_seconds=PATIENCE_SECONDS,
            ) as valerix:
                yield valerix
        except ValerixError as error:
            report(error, self.command, as_json=as_json)
            raise typer.Exit(1) from None


def find(context: typer.Context, data_dir: Path, url: str | None, token: str | None) -> Installation:
    """The installation at `url`, else the running stack in `data_dir`, as its operator. Raises LauncherError."""
    if url is None or _only_the_data_dir_was_typed(context):
        return _running_stack(data_dir.resolve())
    try:
        Valerix(url).close()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return Installation(url, f" --url {shlex.quote(url)}", token=token)


def _only_the_data_dir_was_typed(context: typer.Context) -> bool:
    """Naming a stack on the command line outweighs a VALERIX_URL left over in the environment."""
    typed = {name for name in ("data_dir", "url") if _source(context, name) == "COMMANDLINE"}
    if len(typed) == 2:
        raise typer.BadParameter("Give either --data-dir or --url")
    return typed == {"data_dir"}


def _source(context: typer.Context, parameter: str) -> str:
    source = context.get_parameter_source(parameter)
    return source.name if source else ""


def _running_stack(data_dir: Path) -> Installation:
    options = "" if data_dir == default_data_dir() else f" --data-dir {shlex.quote(str(data_dir))}"
    state = control.running(data_dir)
    if state is None:
        raise LauncherError(f"No stack is running in {data_dir}: start it with `./valerix up{options}`")
    email, password = _staff_login(state)
    return Installation(gateway_url(state), options, email, password)


def _staff_login(state: StackState) -> tuple[str, str]:
    try:
        credentials = Credentials(state.data_dir)
        password = credentials.demo_password if state.demo else credentials.admin_password
    except PermissionError:
        raise LauncherError(
            "The stack belongs to another user, who alone can read its passwords: use --url with --token"
        ) from None
    return (OPERATOR if state.demo else ADMINISTRATOR), password
