"""Work on the databases alone: on those of a running stack, or on a server started for it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from valerix.launcher import ports
from valerix.launcher.control import running
from valerix.launcher.credentials import Credentials
from valerix.launcher.logs import Output
from valerix.launcher.postgres import Cluster
from valerix.launcher.programs import CLUSTER, Plan, cluster_of, programs
from valerix.launcher.settings import configured_ports, gateway_settings
from valerix.launcher.state import only_launcher
from valerix.launcher.supervisor import Supervisor
from valerix.launcher.topology import POSTGRES

T = TypeVar("T")
Work = Callable[[Cluster, Credentials], Awaitable[T]]


def run(data_dir: Path, work: Work[T]) -> T:
    """Raises LauncherError when there is no server and none can be started."""
    state = running(data_dir)
    plan = Plan(data_dir=data_dir, ports=state.ports if state else configured_ports(), gateway=gateway_settings())
    if state:
        return asyncio.run(_on_running(plan, work))
    data_dir.mkdir(parents=True, exist_ok=True)
    with only_launcher(data_dir):
        ports.check_port(plan.ports, POSTGRES)
        return asyncio.run(_on_own(plan, work))


async def _on_running(plan: Plan, work: Work[T]) -> T:
    return await work(cluster_of(plan)[0], Credentials(plan.data_dir))


async def _on_own(plan: Plan, work: Work[T]) -> T:
    credentials, (cluster, _), output = Credentials(plan.data_dir), cluster_of(plan), Output(plan.data_dir, None)
    if not cluster.exists:
        cluster.initialise(credentials.superuser_password)
    server = next(one for one in programs(plan, credentials, cluster) if one.name == POSTGRES)
    supervisor = Supervisor([server], say=output.say, output=output.write, changed=lambda: None)
    supervisor.start()
    supervisor.reached(CLUSTER)
    try:
        await supervisor.ready(POSTGRES)
        return await work(cluster, credentials)
    finally:
        await supervisor.stop()
        output.close()
