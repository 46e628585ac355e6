"""The running stack: one launcher process starts everything, supervises it and stops it again."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial

from valerix.chassis.base.tasks import end, keep_running
from valerix.launcher import job, logs, ports, processes
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.job import Job, PreparationFailed, Seed
from valerix.launcher.keys import make_keys
from valerix.launcher.logs import Output, Terminal
from valerix.launcher.ports import PortClaims
from valerix.launcher.postgres import Cluster
from valerix.launcher.processes import Identity
from valerix.launcher.programs import (
    CLUSTER,
    Plan,
    certificate_of,
    cluster_of,
    gateway_of,
    programs,
)
from valerix.launcher.settings import time_limits
from valerix.launcher.state import Phase, StackState, only_launcher, read_state, write_state
from valerix.launcher.supervisor import StartupFailed, Supervisor
from valerix.launcher.topology import DATABASES, GATEWAY, POSTGRES

LEFTOVER_TIMEOUT_SECONDS = 10.0
BALANCER_TIMEOUT_SECONDS = 10.0
HOUSEKEEPING_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RELOAD_SIGNAL = signal.SIGUSR1
CHAOS_IS_OFF = (
    "Fault injection is off. "
    "To allow it in a stack that may break, start with VALERIX_CHAOS=enabled"
)


def run(
    plan: Plan,
    claims: PortClaims,
    terminal: Terminal | None,
    on_ready: Callable[[StackState], None],
) -> StackState:
    """Run the stack until a signal stops it, or until it cannot start.

    The returned state says which. Raises LauncherError if another launcher holds the data
    directory.
    """
    plan.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with only_launcher(plan.data_dir):
        output = Output(plan.data_dir, terminal)
        previous = read_state(plan.data_dir)
        stack = Stack(plan, claims, output, on_ready)
        try:
            stack.report(Phase.STARTING)
            _clear(previous, output)
            asyncio.run(stack.run())
        except LauncherError as error:
            stack.fail(error)
        except Exception as error:
            stack.fail(error)
            raise
        finally:
            output.show()
        return stack.state


def _clear(previous: StackState | None, output: Output) -> None:
    """End the processes that a killed launcher left behind."""
    if previous and (ended := processes.end(previous.identities(), LEFTOVER_TIMEOUT_SECONDS)):
        output.say(f"ended {len(ended)} processes of a former launcher")


class Stack:
    """One run of a plan."""

    def __init__(
        self, plan: Plan, claims: PortClaims, output: Output, on_ready: Callable[[StackState], None]
    ) -> None:
        self.state = StackState(
            launcher=Identity.of(os.getpid()),
            data_dir=plan.data_dir,
            phase=Phase.STARTING,
            ports=plan.ports,
            replicas=plan.replicas,
            demo=plan.demo,
            gateway_host=plan.gateway.gateway_host,
        )
        self._plan = plan
        self._claims = claims
        self._output = output
        self._on_ready = on_ready
        self._began = time.monotonic()
        self._stop = asyncio.Event()
        self._supervisor: Supervisor | None = None
        self._unwritten = False

    def report(self, phase: Phase) -> None:
        """Enter a phase, and write the state."""
        self.state.phase = phase
        self._write()

    def fail(self, error: Exception) -> None:
        """Record why the stack failed, and the process that failed, if known."""
        self._output.say(f"failed: {error}")
        self.state.error = str(error)
        if isinstance(error, StartupFailed):
            self.state.failed_process = error.name
        if isinstance(error, PreparationFailed):
            self.state.failed_process = job.NAME
        self.report(Phase.FAILED)

    async def run(self) -> None:
        """Start the stack and keep it running until a signal asks for its end.

        Raises LauncherError if the stack cannot start; all processes that had started are stopped
        then.
        """
        ports.check_replicas(self._plan.replicas)
        ports.claim_ports(self._claims, self._plan.ports, self._plan.replicas)
        for sent in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(sent, self._stop_or_kill)
        credentials = Credentials(self._plan.data_dir)
        make_keys(credentials)
        certificate = certificate_of(self._plan)
        self.state.tls = certificate is not None
        self.state.ca_file = str((certificate and certificate.ca_file) or "")
        self._gateway = gateway_of(self._plan, certificate)
        asyncio.get_running_loop().add_signal_handler(RELOAD_SIGNAL, self._reload_gateway)
        cluster, notice = cluster_of(self._plan)
        for line in (notice, CHAOS_IS_OFF if self._plan.chaos != "enabled" else None):
            if line:
                self.state.notices.append(line)
                self._output.say(line)
        self._supervisor = Supervisor(
            programs(self._plan, credentials, cluster, self._gateway),
            say=self._output.say,
            output=self._output.open,
            changed=self._write,
            timeouts=time_limits(),
        )
        beside = [
            asyncio.create_task(keep_running(work, self._failed))
            for work in (self._show, self._keep_house)
        ]
        try:
            await self._start_and_stay(self._supervisor, cluster, credentials)
        finally:
            await self._end(self._supervisor)
            await end(beside)
        self.report(Phase.STOPPED)

    async def _start_and_stay(
        self, supervisor: Supervisor, cluster: Cluster, credentials: Credentials
    ) -> None:
        starting = asyncio.create_task(self._start(supervisor, cluster, credentials))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                return
            await starting
            await stopping
        finally:
            starting.cancel()
            stopping.cancel()

    async def _start(
        self, supervisor: Supervisor, cluster: Cluster, credentials: Credentials
    ) -> None:
        supervisor.start()
        seed = Seed.DEMO if self._plan.demo else Seed.ADMINISTRATOR
        async with job.started(Job(self._plan.data_dir, cluster.port, seed)) as preparing:
            if not cluster.exists:
                self._output.say("making the database cluster")
                await asyncio.to_thread(cluster.initialise, credentials.superuser_password)
            supervisor.reached(CLUSTER)
            await supervisor.ready(POSTGRES)
            await job.finish(preparing, partial(self._output.write, job.NAME))
        supervisor.reached(DATABASES)
        await supervisor.all_ready()
        await self._balancer_ready()
        self.state.ready_seconds = round(time.monotonic() - self._began, 2)
        self.report(Phase.READY)
        self._output.say(f"everything ready after {self.state.ready_seconds:.1f} s")
        self._output.show()
        self._on_ready(self.state)

    async def _balancer_ready(self) -> None:
        """Wait until the gateway has found every copy healthy, also those that started after it."""
        deadline = time.monotonic() + BALANCER_TIMEOUT_SECONDS
        while missing := await self._gateway.unreachable():
            if time.monotonic() > deadline:
                raise StartupFailed(GATEWAY, f"does not reach {', '.join(missing)}")
            await asyncio.sleep(0.05)

    async def _keep_house(self) -> None:
        """Keep files within their limits; write the state again if that failed before."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            if self._unwritten:
                self._write()
            self._output.cut(
                [Output.LAUNCHER, *(self._supervisor.states if self._supervisor else ())]
            )
            self._gateway.cut_log()

    def _failed(self, error: BaseException) -> None:
        self._output.say(f"a task of the launcher failed and goes on: {error!r}")

    async def _show(self) -> None:
        while True:
            self._output.show()
            await asyncio.sleep(logs.POLL_SECONDS)

    async def _end(self, supervisor: Supervisor) -> None:
        self.report(Phase.STOPPING)
        await supervisor.stop()
        self._output.say("everything stopped")

    def _stop_or_kill(self) -> None:
        """Stop on the first signal; kill every process on a second one."""
        if self._stop.is_set() and self._supervisor:
            self._supervisor.kill()
        self._stop.set()

    def _reload_gateway(self) -> None:
        """Reload the gateway. It keeps its certificate if the new one cannot be used."""
        try:
            certificate_of(self._plan)
            if self._supervisor:
                self._gateway.reload(self._plan.instances, self._supervisor.get_pid(GATEWAY))
            self.state.reload_error = ""
        except (LauncherError, OSError) as error:
            self.state.reload_error = str(error) or "the gateway does not run"
        self.state.reloads += 1
        self._output.say(
            f"gateway not reloaded: {self.state.reload_error}"
            if self.state.reload_error
            else "gateway reloaded"
        )
        self._write()

    def _write(self) -> None:
        """Write the state. On a full disk it is written later, and the processes keep running."""
        if self._supervisor:
            self.state.processes = self._supervisor.states
        try:
            write_state(self.state)
            self._unwritten = False
        except OSError as error:
            if not self._unwritten:
                self._output.say(f"the state cannot be written, will try again: {error}")
            self._unwritten = True
