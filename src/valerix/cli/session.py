"""Determines the installation that a command calls, and the account it signs in with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from valerix.cli.failures import report
from valerix.cli.installation import Installation, running_stack
from valerix.client import Valerix, ValerixError
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.state import StackState
from valerix.launcher.summary import ADMINISTRATOR, DEMO_ADMINISTRATOR, OPERATOR, gateway_url

RETRY_SECONDS = 5.0
"""Total time for repeating a failed call: short, because a person waits at the terminal."""

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="VALERIX_URL",
        help="Address of an installation, instead of the stack in --data-dir.",
    ),
]


def _printable(value: str | None) -> str | None:
    """Reject line breaks: the value of a header is one line. Raises typer.BadParameter."""
    if value is not None and not value.isprintable():
        raise typer.BadParameter("It must not contain line breaks or other control characters")
    return value


Token = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="VALERIX_TOKEN", callback=_printable, help="Access token for --url."
    ),
]
Key = Annotated[
    str | None,
    typer.Option("--key", callback=_printable, help="Idempotency key; by default a new one."),
]


@contextmanager
def talk(installation: Installation, *, as_json: bool) -> Iterator[Valerix]:
    """Open a client of the installation.

    A failure within ends the command with status 1 and one line on stderr; with `as_json`, also
    with a JSON document on stdout.
    """
    try:
        with Valerix(
            installation.url,
            email=installation.email,
            password=installation.password,
            token=installation.token,
            ca_file=installation.ca_file,
            retry_seconds=RETRY_SECONDS,
        ) as valerix:
            yield valerix
    except ValerixError as error:
        report(error, installation, as_json=as_json)
        raise typer.Exit(1) from None


def find(
    context: typer.Context,
    data_dir: Path,
    url: str | None,
    token: str | None,
    *,
    administrator: bool = False,
) -> Installation:
    """Return the installation at `url`, else the running stack in `data_dir`.

    The stack is called as its operator, or as its administrator with `administrator`. Raises
    LauncherError.
    """
    if url is None or _only_the_data_dir_was_typed(context):
        return _running_stack(data_dir.resolve(), administrator)
    try:
        Valerix(url).close()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return Installation(url, token=token)


def _only_the_data_dir_was_typed(context: typer.Context) -> bool:
    """Return whether only --data-dir was typed: it takes precedence over an old VALERIX_URL."""
    typed = {name for name in ("data_dir", "url") if _source(context, name) == "COMMANDLINE"}
    if len(typed) == 2:
        raise typer.BadParameter("Give either --data-dir or --url")
    return typed == {"data_dir"}


def _source(context: typer.Context, parameter: str) -> str:
    source = context.get_parameter_source(parameter)
    return source.name if source else ""


def _running_stack(data_dir: Path, administrator: bool) -> Installation:
    state = running_stack(data_dir)
    email, password = _staff_login(state, administrator)
    ca_file = Path(state.ca_file) if state.ca_file else None
    return Installation(gateway_url(state), data_dir, email, password, ca_file=ca_file)


def _staff_login(state: StackState, administrator: bool) -> tuple[str, str]:
    try:
        credentials = Credentials(state.data_dir)
        password = credentials.demo_password if state.demo else credentials.admin_password
    except PermissionError:
        raise LauncherError(
            "The stack belongs to another user, and only that user can read its passwords: "
            "use --url with --token"
        ) from None
    if not state.demo:
        return ADMINISTRATOR, password
    return (DEMO_ADMINISTRATOR if administrator else OPERATOR), password
