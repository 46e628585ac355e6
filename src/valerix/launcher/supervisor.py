"""Starts programs when their needs are ready, restarts them if they end, stops callers first."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

from valerix.chassis.base import timeouts
from valerix.chassis.base.tasks import keep_running
from valerix.chassis.base.timeouts import Timeouts
from valerix.launcher.errors import LauncherError
from valerix.launcher.health import Probe, ask
from valerix.launcher.processes import Identity, dies_with_launcher
from valerix.launcher.state import ProcessState, Status

FIRST_PAUSE_SECONDS = 0.2
STARTUP_TIMEOUT_SECONDS = 120.0
"""Long enough for the payment provider, which reads a ledger of ten million lines in 50 s."""
STARTUP_ATTEMPTS = 3
WRONG_SETTINGS = 2
"""Exit status of a service that cannot run with its settings; a further attempt is pointless."""
CANNOT_BE_STARTED = 127
"""Exit status recorded for a program that does not exist, as a shell reports it."""
STARTUP_POLL_SECONDS, POLL_SECONDS = 0.05, 2.0


class StartupFailed(LauncherError):
    """A process did not become ready while the stack was starting."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name


@dataclass(frozen=True)
class Program:
    """How to run one process, and the programs it depends on."""

    name: str
    port: int
    command: Sequence[str]
    probe: Probe
    spawn_options: Mapping[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    """Programs or milestones that must have been ready before it starts."""
    uses: frozenset[str] = frozenset()
    """Programs that must not stop before this one has stopped."""
    prepare: Callable[[], None] = lambda: None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20.0


class _Child:
    """One program over all its runs."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.state = ProcessState(program.name, program.port)
        self.process: asyncio.subprocess.Process | None = None
        self.gone = asyncio.Event()
        self.runs: asyncio.Task[None] | None = None

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()


class Supervisor:
    """Runs the programs and reports on them.

    `say` logs a line of the supervisor's own, `output` opens a program's log, `changed` is called
    after every change of state.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        say: Callable[[str], None],
        output: Callable[[str], BinaryIO],
        changed: Callable[[], None],
        timeouts: Timeouts = timeouts.DEFAULT,
    ) -> None:
        self._children = {program.name: _Child(program) for program in programs}
        self._say, self._output, self._changed = say, output, changed
        self._timeouts = timeouts
        self._stopping = False
        self._ready: dict[str, asyncio.Event] = {}
        self._startup_failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def states(self) -> dict[str, ProcessState]:
        return {name: child.state for name, child in self._children.items()}

    def start(self) -> None:
        """Begin to supervise all programs; each starts once its needs are ready."""
        for child in self._children.values():
            child.runs = asyncio.create_task(
                keep_running(partial(self._supervise, child), self._failed)
            )

    def reached(self, milestone: str) -> None:
        """Mark `milestone` as reached: programs that need it may start."""
        self._event(milestone).set()

    async def ready(self, name: str) -> None:
        """Wait until program `name` was healthy once.

        Raises StartupFailed if any program cannot start.
        """
        waiting: asyncio.Future[Any] = asyncio.ensure_future(self._event(name).wait())
        either: set[asyncio.Future[Any]] = {waiting, self._startup_failure}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._startup_failure.done():
            self._startup_failure.result()

    async def all_ready(self) -> None:
        """Wait until every program was healthy once. Raises StartupFailed."""
        for name in self._children:
            await self.ready(name)

    def get_pid(self, name: str) -> int:
        """Return the program's process number. Raises ProcessLookupError while it does not run."""
        identity = self._children[name].state.identity
        if identity is None:
            raise ProcessLookupError(name)
        return identity.pid

    # --- one program

    async def _supervise(self, child: _Child) -> None:
        for need in child.program.needs:
            await self._event(need).wait()
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            started = _now()
            await self._run_once(child)
            if self._stopping:
                return
            if self._cannot_start(child):
                return
            pause = (
                FIRST_PAUSE_SECONDS
                if _now() - started > self._timeouts.restart_steady_seconds
                else pause
            )
            child.state.status, child.state.restarts = Status.RESTARTING, child.state.restarts + 1
            self._changed()
            self._say(
                f"{child.program.name} ended with {child.state.last_exit}; again in {pause:g} s"
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._timeouts.restart_max_seconds)

    async def _run_once(self, child: _Child) -> None:
        try:
            child.process = process = await self._spawn(child.program)
        except OSError as error:
            child.state.last_exit = CANNOT_BE_STARTED
            with contextlib.suppress(OSError), self._output(child.program.name) as output:
                output.write(f"cannot be started: {error}\n".encode())
            return
        watch = partial(self._watch, child, process.pid)
        watching = asyncio.create_task(keep_running(watch, self._failed))
        try:
            self._note_start(child, process.pid)
            child.state.last_exit = await process.wait()
        finally:
            watching.cancel()
            child.kill()  # unless it has ended: the next run needs its port
            child.state.identity, child.state.healthy = None, False

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        program.prepare()
        with self._output(program.name) as output:
            return await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal reaches the launcher alone
                preexec_fn=dies_with_launcher(program.stop_signal),
                **program.spawn_options,
            )

    def _note_start(self, child: _Child, pid: int) -> None:
        child.state.identity = Identity.of(pid)
        child.state.status = Status.STARTING
        child.state.started_at = datetime.now(UTC)
        child.state.startup_seconds = None
        self._changed()

    def _failed(self, error: BaseException) -> None:
        self._say(f"a task of the supervisor failed and goes on: {error!r}")

    async def _watch(self, child: _Child, pid: int) -> None:
        """Record the health of a running process.

        An unhealthy process is reported, never killed.
        """
        spawned, state, ready = _now(), child.state, self._event(child.program.name)
        while True:
            healthy = await ask(child.program.probe, pid)
            if healthy and state.startup_seconds is None:
                state.startup_seconds, state.status = round(_now() - spawned, 3), Status.RUNNING
                self._say(f"{child.program.name} ready after {state.startup_seconds:.2f} s")
                ready.set()
            if healthy != state.healthy:
                state.healthy = healthy
                self._changed()
            if not ready.is_set() and _now() - spawned > STARTUP_TIMEOUT_SECONDS:
                self._fail_startup(
                    child, f"did not become ready within {STARTUP_TIMEOUT_SECONDS:.0f} s"
                )
            await asyncio.sleep(
                STARTUP_POLL_SECONDS if state.startup_seconds is None else POLL_SECONDS
            )

    def _cannot_start(self, child: _Child) -> bool:
        """Return whether the program ended before it was ever ready, and is given up."""
        if self._event(child.program.name).is_set():
            return False
        given_up = (
            child.state.last_exit == WRONG_SETTINGS or child.state.restarts + 1 >= STARTUP_ATTEMPTS
        )
        if given_up:
            self._fail_startup(child, f"ended with {child.state.last_exit} while starting")
        return given_up

    def _fail_startup(self, child: _Child, reason: str) -> None:
        if not self._startup_failure.done():
            self._startup_failure.set_exception(StartupFailed(child.program.name, reason))
            # Marks it as retrieved, if no task waits for it any more.
            self._startup_failure.exception()

    def _event(self, name: str) -> asyncio.Event:
        return self._ready.setdefault(name, asyncio.Event())

    # --- the end

    async def stop(self) -> None:
        """Stop callers before the programs they call.

        Kill a program that exceeds its `stop_seconds`.
        """
        self._stopping = True
        await asyncio.gather(*(self._stop_one(child) for child in self._children.values()))

    def kill(self) -> None:
        """Kill every program immediately."""
        for child in self._children.values():
            child.kill()

    async def _stop_one(self, child: _Child) -> None:
        name = child.program.name
        await asyncio.gather(
            *(other.gone.wait() for other in self._children.values() if name in other.program.uses)
        )
        if child.process is not None and child.process.returncode is None:
            await self._end(child, child.process)
        if child.runs is not None:
            if child.state.status in (Status.WAITING, Status.RESTARTING):
                child.runs.cancel()
            await asyncio.gather(child.runs, return_exceptions=True)
        child.state.status, child.state.healthy, child.state.identity = Status.STOPPED, False, None
        child.gone.set()
        self._changed()

    async def _end(self, child: _Child, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(child.program.stop_signal)
        try:
            async with asyncio.timeout(child.program.stop_seconds):
                await process.wait()
        except TimeoutError:
            program = child.program
            self._say(f"{program.name} did not stop within {program.stop_seconds:.0f} s: killed")
            child.kill()
            await process.wait()


def _now() -> float:
    return asyncio.get_running_loop().time()
