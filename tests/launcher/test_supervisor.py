"""The supervisor with small real processes: order, restarts, the end."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import pytest

from tests.support.eventually import until, until_blocking
from valerix.chassis.base import tasks, timeouts
from valerix.chassis.base.timeouts import Timeouts
from valerix.launcher import supervisor as module
from valerix.launcher.processes import Identity
from valerix.launcher.state import Status
from valerix.launcher.supervisor import Program, StartupFailed, Supervisor

TIMEOUT_SECONDS = 90


async def well(_: int) -> bool:
    return True


async def unwell(_: int) -> bool:
    return False


def shell(
    name: str, script: str, probe: Callable[[int], Awaitable[bool]] = well, **options: object
) -> Program:
    return Program(name, 0, ["/bin/sh", "-c", script], probe, **options)  # type: ignore[arg-type]


def journal(name: str, file: Path) -> str:
    """Return a script that writes a line when it starts and when it receives SIGTERM."""
    return (
        f"trap 'echo stop {name} >>\"{file}\"; exit' TERM; "
        f"echo start {name} >>'{file}'; while :; do sleep 0.05; done"
    )


class Recorder:
    """Records the log lines of a supervisor and the output of its programs."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self._folder = folder

    def open(self, name: str) -> BinaryIO:
        return (self._folder / name).open("ab", buffering=0)

    def output(self, name: str) -> bytes:
        file = self._folder / name
        return file.read_bytes() if file.exists() else b""


@asynccontextmanager
async def supervising(
    *programs: Program, timeouts: Timeouts = timeouts.DEFAULT
) -> AsyncIterator[tuple[Supervisor, Recorder]]:
    with TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder))
        supervisor = Supervisor(
            programs,
            say=recorder.lines.append,
            output=recorder.open,
            changed=lambda: None,
            timeouts=timeouts,
        )
        supervisor.start()
        try:
            yield supervisor, recorder
        finally:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await supervisor.stop()


async def test_programs_wait_for_what_they_need(folder: Path) -> None:
    file = folder / "journal"

    def writing(name: str, **options: object) -> Program:
        """Return a program that is ready once it has written that it started."""

        async def written(_: int) -> bool:
            return file.exists() and f"start {name}" in file.read_text()

        return shell(name, journal(name, file), written, **options)

    programs = [
        writing("last", needs=frozenset({"middle", "milestone"})),
        writing("middle", needs=frozenset({"first"})),
        writing("first"),
    ]
    async with supervising(*programs) as (supervisor, _):
        await supervisor.ready("middle")
        assert supervisor.states["last"].status is Status.WAITING
        supervisor.reached("milestone")
        await supervisor.all_ready()
    assert file.read_text().splitlines()[:3] == ["start first", "start middle", "start last"]


async def test_callers_stop_before_those_they_call(folder: Path) -> None:
    file = folder / "journal"
    programs = [
        shell("store", journal("store", file)),
        shell("service", journal("service", file), uses=frozenset({"store"})),
        shell("gateway", journal("gateway", file), uses=frozenset({"service", "store"})),
    ]
    async with supervising(*programs):
        await until(lambda: file.exists() and file.read_text().count("start") == 3)
    stops = [line for line in file.read_text().splitlines() if line.startswith("stop")]
    assert stops == ["stop gateway", "stop service", "stop store"]


async def test_what_dies_is_started_again() -> None:
    async with supervising(
        shell("service", "exec sleep 1000"), shell("other", "exec sleep 1000")
    ) as (supervisor, _):
        await supervisor.all_ready()
        state, other = supervisor.states["service"], supervisor.states["other"]
        killed, untouched = state.identity, other.identity
        assert killed is not None
        os.kill(killed.pid, signal.SIGKILL)
        await until(lambda: state.status is Status.RUNNING and state.identity != killed)
        assert (state.restarts, state.last_exit) == (1, -signal.SIGKILL)
        assert other.identity == untouched


async def test_what_dies_while_the_disk_is_full_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a full disk the launcher can write neither its state nor its log."""
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    full = False

    def no_space(*_: object) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_log(_: str) -> BinaryIO:
        no_space()
        return Path(os.devnull).open("ab", buffering=0)

    service = shell("service", "exec sleep 1000")
    supervisor = Supervisor([service], say=no_space, output=open_log, changed=no_space)
    supervisor.start()
    try:
        await supervisor.all_ready()
        full = True
        await until(lambda: supervisor.states["service"].healthy)
        first = supervisor.get_pid("service")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.states["service"].last_exit == module.CANNOT_BE_STARTED)
        full = False
        await until(lambda: supervisor.states["service"].status is Status.RUNNING)
        assert supervisor.get_pid("service") != first
    finally:
        full = False
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await supervisor.stop()


async def test_a_crash_loop_is_retried_with_growing_pauses_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    programs = [shell("broken", "sleep 0.3; exit 7"), shell("sound", "exec sleep 1000")]
    async with supervising(*programs, timeouts=Timeouts(restart_max_seconds=0.05)) as (
        supervisor,
        recorder,
    ):
        await supervisor.all_ready()
        await until(lambda: supervisor.states["broken"].restarts >= 4)
        assert supervisor.states["broken"].last_exit == 7
        assert supervisor.states["sound"].restarts == 0
    pauses = [
        line.rsplit("again in ", 1)[1] for line in recorder.lines if line.startswith("broken ended")
    ]
    assert pauses[:4] == ["0.01 s", "0.02 s", "0.04 s", "0.05 s"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 2", "broken ended with 2 while starting"),
        ("exit 5", "broken ended with 5 while starting"),
    ],
)
async def test_a_start_fails_when_a_program_cannot_run(
    script: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    programs = [shell("broken", f"echo why; {script}", unwell), shell("sound", "exec sleep 1000")]
    async with supervising(*programs) as (supervisor, recorder):
        with pytest.raises(StartupFailed, match=reason) as failure:
            await supervisor.all_ready()
        attempts = 1 if script == "exit 2" else module.STARTUP_ATTEMPTS
        assert recorder.output("broken") == b"why\n" * attempts, (
            "wrong settings are not tried again"
        )
    assert failure.value.name == "broken"


async def test_a_program_that_does_not_exist_is_a_failed_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    async with supervising(Program("missing", 0, ["/nowhere/program"], well)) as (
        supervisor,
        recorder,
    ):
        with pytest.raises(StartupFailed, match="missing"):
            await supervisor.all_ready()
        assert b"cannot be started" in recorder.output("missing")


async def test_who_never_gets_ready_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STARTUP_TIMEOUT_SECONDS", 0.1)
    async with supervising(shell("slow", "exec sleep 1000", unwell)) as (supervisor, _):
        with pytest.raises(StartupFailed, match="did not become ready"):
            await supervisor.all_ready()


async def test_the_unhealthy_are_shown_and_left_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    answers = {"healthy": True}

    async def probe(_: int) -> bool:
        return answers["healthy"]

    async with supervising(shell("service", "exec sleep 1000", probe)) as (supervisor, _):
        await supervisor.all_ready()
        state = supervisor.states["service"]
        identity = state.identity
        answers["healthy"] = False
        await until(lambda: not state.healthy)
        assert state.identity == identity
        assert state.status is Status.RUNNING
        answers["healthy"] = True
        await until(lambda: state.healthy)


async def test_who_does_not_stop_in_time_is_killed() -> None:
    stubborn = shell(
        "stubborn", "trap '' TERM; echo deaf; while :; do sleep 0.05; done", stop_seconds=0.3
    )
    async with supervising(stubborn) as (supervisor, recorder):
        await until(lambda: recorder.output("stubborn"))
    assert any("killed" in line for line in recorder.lines)
    assert supervisor.states["stubborn"].status is Status.STOPPED


async def test_stopping_ends_waiting_and_restarting_programs_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 1000.0)
    programs = [shell("waiting", "exit 0", needs=frozenset({"never"})), shell("pausing", "exit 1")]
    async with supervising(*programs) as (supervisor, _):
        await until(lambda: supervisor.states["pausing"].status is Status.RESTARTING)
    assert {state.status for state in supervisor.states.values()} == {Status.STOPPED}


def test_a_killed_launcher_takes_everything_with_it(folder: Path) -> None:
    script = textwrap.dedent("""
        import asyncio, os
        from tests.launcher.test_supervisor import shell
        from valerix.launcher.supervisor import Supervisor

        async def main():
            programs = [shell(name, "exec sleep 1000") for name in ("one", "two")]
            output = lambda _: open(os.devnull, "ab")
            supervisor = Supervisor(programs, say=print, output=output, changed=lambda: None)
            supervisor.start()
            await supervisor.all_ready()
            print(*(state.identity.pid for state in supervisor.states.values()), flush=True)
            await asyncio.sleep(1000)

        asyncio.run(main())
    """)
    root = Path(__file__).parents[2]
    launcher = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
    )
    assert launcher.stdout is not None
    numbers: list[str] = []
    while not (numbers and all(number.isdigit() for number in numbers)):
        numbers = launcher.stdout.readline().split()
    children = [Identity.of(int(number)) for number in numbers]
    assert all(child.is_alive() for child in children)
    launcher.kill()
    launcher.communicate()
    until_blocking(lambda: not any(child.is_alive() for child in children), "the children ended")
