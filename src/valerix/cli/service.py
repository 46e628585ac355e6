"""`serve`: one service in the foreground, for a container or a debugger beside a running stack."""

import os
import sys
from typing import Annotated

import msgspec
import typer

from valerix.chassis.base.settings import inherited
from valerix.cli.options import DataDir
from valerix.launcher import control
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.ports import free_port
from valerix.launcher.programs import Plan, environment
from valerix.launcher.settings import gateway_settings
from valerix.launcher.state import StackState
from valerix.launcher.terminal import say
from valerix.launcher.topology import SERVICES, Instance

NAMES = [process.name for process in SERVICES]


def serve(
    name: Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(NAMES))],
    data_dir: DataDir,
) -> None:
    """Run one service.

    Its settings are VALERIX_… variables; a running stack supplies those that are missing.
    """
    if name not in NAMES:
        raise LauncherError(f"There is no service {name!r}; there are: {', '.join(NAMES)}")
    state = control.running(data_dir.resolve())
    settings = (_beside(state, name) if state else {}) | inherited()
    command = [sys.executable, "-P", "-m", "valerix.cli.serve", name]
    sys.stdout.flush()
    os.execve(sys.executable, command, settings)  # noqa: S606 - our own interpreter and module


def _beside(state: StackState, name: str) -> dict[str, str]:
    """Return the settings of a further instance, on a port of its own.

    The gateway does not route to it.
    """
    gateway = msgspec.structs.replace(gateway_settings(), gateway_host=state.gateway_host)
    plan = Plan(
        data_dir=state.data_dir,
        ports=state.ports,
        replicas=state.replicas,
        demo=state.demo,
        gateway=gateway,
    )
    instance = Instance(f"{name}-by-hand", name, free_port())
    say(f"{instance.name} beside the stack in {state.data_dir}: {instance.url}")
    return environment(instance, plan, Credentials(state.data_dir))
