"""Prepares the databases by command: on the server of a running stack, or on one started for it."""

import asyncio
import sys
from pathlib import Path

from valerix.launcher import job, ports
from valerix.launcher.control import running
from valerix.launcher.credentials import Credentials
from valerix.launcher.job import Job, Seed
from valerix.launcher.logs import Output
from valerix.launcher.programs import CLUSTER, Plan, cluster_of, database_server
from valerix.launcher.settings import configured_ports, gateway_settings
from valerix.launcher.state import only_launcher
from valerix.launcher.supervisor import Supervisor
from valerix.launcher.terminal import write
from valerix.launcher.topology import POSTGRES


def prepare(data_dir: Path, seed: Seed) -> None:
    """Migrate and seed the databases of `data_dir`.

    Raises LauncherError if no server runs and none can be started, or if the work fails.
    """
    if state := running(data_dir):
        asyncio.run(_work(Job(data_dir, state.ports[POSTGRES], seed)))
        return
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    plan = Plan(data_dir=data_dir, ports=configured_ports(), gateway=gateway_settings())
    with only_launcher(data_dir):
        ports.check_port(plan.ports, POSTGRES)
        asyncio.run(_work_on_own_server(plan, seed))


async def _work_on_own_server(plan: Plan, seed: Seed) -> None:
    credentials, (cluster, _), output = (
        Credentials(plan.data_dir),
        cluster_of(plan),
        Output(plan.data_dir, None),
    )
    if not cluster.exists:
        cluster.initialise(credentials.superuser_password)
    server = database_server(plan, cluster)
    supervisor = Supervisor([server], say=output.say, output=output.open, changed=lambda: None)
    supervisor.start()
    supervisor.reached(CLUSTER)
    try:
        await supervisor.ready(POSTGRES)
        await _work(Job(plan.data_dir, cluster.port, seed))
    finally:
        await supervisor.stop()


async def _work(task: Job) -> None:
    async with job.started(task) as process:
        await job.finish(process, _print)


def _print(output: bytes) -> None:
    write(output.decode(errors="replace"), sys.stdout)
