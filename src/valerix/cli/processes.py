"""`up`, `down` and `reload`: commands for the stack as a whole."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from valerix.cli.options import DataDir
from valerix.launcher import control
from valerix.launcher.errors import LauncherError
from valerix.launcher.ports import check_replicas
from valerix.launcher.programs import Plan
from valerix.launcher.settings import (
    GatewayName,
    GatewaySettings,
    auto_ports,
    configured_ports,
    gateway_settings,
)
from valerix.launcher.state import StackState
from valerix.launcher.summary import print_summary
from valerix.launcher.terminal import say
from valerix.launcher.topology import GATEWAY


def up(
    data_dir: DataDir,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is ready.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port of the gateway.", min=1, max=65535)] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address the gateway listens on; 0.0.0.0 opens it to other machines."),
    ] = None,
    ports: Annotated[
        str, typer.Option(help="`auto`: choose a free port for every process.")
    ] = "default",
    replicas: Annotated[
        list[str] | None,
        typer.Option(help="NAME=COUNT: copies of a service, e.g. orders=2; repeatable."),
    ] = None,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="Serve HTTPS; generates a certificate if none is configured."),
    ] = False,
    gateway: Annotated[
        GatewayName | None, typer.Option(help="Program that serves as the gateway.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Add demo customers, products and logins.")
    ] = True,
) -> None:
    """Start the stack; if it runs already, print its addresses."""
    data_dir = data_dir.resolve()
    if state := control.running(data_dir):
        say(f"Already running in {data_dir} (launcher: process {state.launcher.pid}).")
        print_summary(state)
        return
    settings = _gateway_settings(gateway, host, tls)
    plan = _plan(
        data_dir, counts(replicas or []), ports=ports, port=port, gateway=settings, demo=demo
    )
    if detach:
        print_summary(control.start_in_background(plan, Progress().show))
    else:
        control.become_launcher(plan)


def _gateway_settings(gateway: GatewayName | None, host: str | None, tls: bool) -> GatewaySettings:
    """Return the gateway's settings: the options given, else those of the environment."""
    settings = gateway_settings()
    return msgspec.structs.replace(
        settings,
        gateway=gateway or settings.gateway,
        gateway_host=host or settings.gateway_host,
        gateway_tls=tls or settings.gateway_tls,
    )


def _plan(
    data_dir: Path,
    counts: dict[str, int],
    *,
    ports: str,
    port: int | None,
    gateway: GatewaySettings,
    demo: bool,
) -> Plan:
    if ports not in ("default", "auto"):
        raise LauncherError("--ports is either `default` or `auto`")
    check_replicas(counts)
    within = auto_ports() if ports == "auto" else None
    return Plan(
        data_dir=data_dir,
        ports=(configured_ports() if within is None else {}) | ({GATEWAY: port} if port else {}),
        free_ports=(within[0], within[-1]) if within else None,
        replicas=counts,
        demo=demo,
        gateway=gateway,
    )


def counts(replicas: list[str]) -> dict[str, int]:
    """Return the counts of `NAME=COUNT` options, by name. Raises LauncherError."""
    found = {}
    for text in replicas:
        name, _, count = text.partition("=")
        if not count.isdigit():
            raise LauncherError(f"--replicas {text}: write it as NAME=COUNT, for example orders=2")
        found[name] = int(count)
    return found


class Progress:
    """Prints one line when the start begins, and one for each process that becomes ready."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, state: StackState) -> None:
        if not self._shown:
            say(f"Starting in {state.data_dir}", flush=True)
            self._shown.add("")
        for process in state.processes.values():
            if process.startup_seconds is not None and process.name not in self._shown:
                self._shown.add(process.name)
                say(f"  {process.name} ready ({process.startup_seconds:.1f} s)", flush=True)


class StopProgress:
    """Prints one line for each process that has stopped."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(self, state: StackState) -> None:
        for process in state.processes.values():
            if process.identity is None and process.name not in self._shown:
                self._shown.add(process.name)
                say(f"  {process.name} stopped", flush=True)


def down(data_dir: DataDir) -> None:
    """Stop the stack and wait until every process has ended; the data is kept."""
    data_dir = data_dir.resolve()
    if control.stop(data_dir, StopProgress().show):
        say("Stopped. The data is kept: `./valerix up` continues with it.")
    else:
        say(f"Nothing was running in {data_dir}.")


def reload(data_dir: DataDir) -> None:
    """Make the gateway load a renewed certificate; no request is lost."""
    control.reload_gateway(data_dir.resolve())
    say("The gateway has loaded its certificate and configuration.")
