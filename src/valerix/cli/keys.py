"""`keys`: lists and replaces the keys that sign tokens."""

from typing import Annotated

import typer

from valerix.cli.options import DataDir, JsonOutput
from valerix.cli.output import console, print_json, table
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.keys import RETIRED, published_keys, rotate_keys
from valerix.launcher.terminal import say
from valerix.launcher.topology import ISSUERS

app = typer.Typer(
    help="List and rotate the keys that sign access tokens and services' tokens.",
    no_args_is_help=True,
)


@app.command("list")
def list_keys(data_dir: DataDir, as_json: JsonOutput = False) -> None:
    """List the keys whose signatures are accepted."""
    keys = published_keys(Credentials(_existing(data_dir)))
    if as_json:
        print_json([{"kid": key["kid"], "retiredAt": key.get(RETIRED)} for key in keys])
        return
    rows = table("key", "state")
    for key in sorted(keys, key=lambda key: key["kid"]):
        rows.add_row(key["kid"], f"retired {key[RETIRED]}" if RETIRED in key else "signs")
    console().print(rows)


@app.command()
def rotate(
    data_dir: DataDir,
    issuer: Annotated[
        list[str] | None, typer.Option(help="Only the key of this service; repeatable.")
    ] = None,
    distrust: Annotated[
        bool,
        typer.Option(
            "--distrust", help="For a leaked key: refuse all tokens of the old keys immediately."
        ),
    ] = False,
) -> None:
    """Make new keys; running services use them within seconds, and no session is signed out.

    Tokens signed before stay valid until they expire.

    With --distrust they do not: programs and browsers have to refresh theirs.
    """
    chosen = issuer or list(ISSUERS)
    if unknown := set(chosen) - set(ISSUERS):
        raise typer.BadParameter(
            f"{', '.join(sorted(unknown))} signs nothing; one of {', '.join(ISSUERS)}"
        )
    old = rotate_keys(Credentials(_existing(data_dir)), chosen, distrust=distrust)
    state = "refused from now on" if distrust else "accepted for another hour"
    say("\n".join(f"{kid} is replaced, {state}" for kid in old))


def _existing(data_dir: DataDir) -> DataDir:
    """Return the folder of an existing stack.

    Commands about keys must not create a data directory.
    """
    if not (data_dir / "secrets").is_dir():
        raise LauncherError(f"There is no stack in {data_dir}: `./valerix up` makes one")
    return data_dir.resolve()
