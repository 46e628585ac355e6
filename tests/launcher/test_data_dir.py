"""The contents of a data directory: secrets, keys, state, logs, Valkey's data."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.disks import filled, mounted
from tests.support.eventually import until_blocking
from tests.support.workers import free_port
from valerix.chassis.identity.keys import KeyRing
from valerix.chassis.identity.tokens import TokenIssuer
from valerix.chassis.identity.verifier import Verifier
from valerix.launcher import health, logs, processes, valkey, valkey_users
from valerix.launcher.control import explain_failure
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.keys import make_keys
from valerix.launcher.logs import Output, Terminal
from valerix.launcher.processes import Identity
from valerix.launcher.state import (
    Phase,
    ProcessState,
    StackState,
    only_launcher,
    read_state,
    write_state,
)
from valerix.launcher.topology import DATABASE_NAMES, DEFAULT_PORTS, ISSUERS


def state_of(folder: Path) -> StackState:
    return StackState(
        launcher=Identity.of(os.getpid()),
        data_dir=folder,
        phase=Phase.READY,
        ports=DEFAULT_PORTS,
        replicas={},
        demo=True,
        processes={"orders": ProcessState("orders", 8001, identity=Identity.of(os.getpid()))},
    )


# --- secrets


def test_secrets_are_for_their_owner_only_and_stay(folder: Path) -> None:
    credentials = Credentials(folder)
    make_keys(credentials)
    made = [
        credentials.superuser_password,
        credentials.valkey_password,
        credentials.psp_secret,
        credentials.demo_password,
        credentials.admin_password,
        *credentials.database_passwords.values(),
        *map(credentials.valkey_password_of, valkey_users.NAMES),
    ]
    assert len(set(made)) == len(made) == 5 + len(DATABASE_NAMES) + len(valkey_users.NAMES)
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (folder / "secrets").iterdir()} == {0o600}
    assert Credentials(folder).superuser_password == made[0]
    assert Credentials(folder).database_passwords == credentials.database_passwords


def test_logs_are_for_their_owner_only_and_those_of_earlier_versions_become_so(
    folder: Path,
) -> None:
    (folder / "logs").mkdir(mode=0o755)
    for name in ("orders.log", "orders.log.1"):
        (folder / "logs" / name).write_text("of an earlier version\n")
        (folder / "logs" / name).chmod(0o644)
    output = Output(folder, None)
    output.say("hello")
    output.write("users", b"hello\n")
    assert logs.cut(logs.file_of(folder, "users"), 1)
    assert stat.S_IMODE((folder / "logs").stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (folder / "logs").iterdir()}
    names = ("launcher.log", "orders.log", "orders.log.1", "users.log", "users.log.1")
    assert modes == dict.fromkeys(names, 0o600)


@pytest.mark.parametrize("issuer", ISSUERS)
def test_each_issuer_signs_what_the_common_key_file_verifies(folder: Path, issuer: str) -> None:
    credentials = Credentials(folder)
    make_keys(credentials)
    role = "admin" if issuer == "users" else "service"
    signer = TokenIssuer(credentials.signing_key_file(issuer))
    token = signer.issue(
        subject=f"valerix:{issuer}", role=role, audience="valerix:target", ttl_seconds=60
    )
    make_keys(credentials)  # another start keeps the keys
    verified = Verifier(KeyRing(credentials.keys_file), "target").verify(f"Bearer {token}")
    assert (verified.subject, verified.role) == (f"valerix:{issuer}", role)


def test_the_common_key_file_holds_no_private_part(folder: Path) -> None:
    credentials = Credentials(folder)
    make_keys(credentials)
    published = msgspec.json.decode(credentials.keys_file.read_bytes())["keys"]
    assert len(published) == len(ISSUERS)
    assert not [key for key in published if "d" in key]


# --- state and processes


def test_the_state_is_read_as_it_was_written(folder: Path) -> None:
    assert read_state(folder) is None
    (folder / "run").mkdir()
    write_state(state_of(folder))
    found = read_state(folder)
    assert found == state_of(folder)
    assert found.is_alive


def test_a_state_of_another_version_is_refused_with_its_name(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "state.json").write_text('{"surprise": true}')
    with pytest.raises(LauncherError, match=r"state\.json"):
        read_state(folder)


def test_only_one_launcher_holds_a_data_directory(folder: Path) -> None:
    with only_launcher(folder), pytest.raises(LauncherError) as refusal, only_launcher(folder):
        pass
    assert all(
        word in str(refusal.value)
        for word in (str(os.getpid()), str(folder), "status", "down", "--data-dir")
    )
    with only_launcher(folder):
        pass


def test_leftovers_are_ended_and_others_with_their_number_are_not() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    reused = Identity(process.pid, "some other time")
    assert processes.end([reused], timeout_seconds=1) == []
    assert process.poll() is None
    assert processes.end([Identity.of(process.pid)], timeout_seconds=30) == [process.pid]
    assert process.wait(30) == -signal.SIGTERM


def test_a_leftover_that_does_not_listen_is_killed() -> None:
    deaf = subprocess.Popen(
        ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"], stdout=-1
    )
    assert deaf.stdout is not None
    deaf.stdout.readline()
    processes.end([Identity.of(deaf.pid)], timeout_seconds=0.3)
    assert deaf.wait(30) == -signal.SIGKILL
    deaf.stdout.close()


def test_a_zombie_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    identity = Identity(process.pid, processes.start_time(process.pid) or "ended already")
    until_blocking(lambda: not identity.is_alive(), "it ended")
    process.wait()


ENDED_FIRST_THREAD = """
import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
exit_this_thread = {"x86_64": 60}.get(os.uname().machine, 93)
ctypes.CDLL(None).syscall(exit_this_thread, 0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel counts no threads")
def test_a_process_is_alive_as_long_as_one_of_its_threads() -> None:
    """Until then what it has open is not closed: its successor could not lock the same file."""
    process = subprocess.Popen([sys.executable, "-c", ENDED_FIRST_THREAD])
    state = Path(f"/proc/{process.pid}/stat")
    until_blocking(
        lambda: state.read_text().rpartition(")")[2].split()[0] == "Z", "its first thread has ended"
    )
    identity = Identity.of(process.pid)
    assert identity.is_alive()
    process.kill()
    until_blocking(lambda: not identity.is_alive(), "it ended")
    process.wait()


def test_memory_is_told_while_a_process_lives() -> None:
    shell = subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & echo; wait"], stdout=subprocess.PIPE)
    assert shell.stdout is not None
    shell.stdout.readline()
    (child,) = processes._children(shell.pid)
    # Before that it shares all its memory with the shell, and half of it counts for each.
    until_blocking(
        lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n", "it became another program"
    )
    family, own = processes.family_bytes(shell.pid), processes.memory_bytes(shell.pid)
    os.kill(child, signal.SIGKILL)
    assert own
    assert family is not None
    assert family > own
    shell.communicate()
    assert processes.family_bytes(shell.pid) is None


# --- logs


def test_a_log_that_is_written_to_is_cut_when_it_grows_too_large(folder: Path) -> None:
    file = folder / "orders.log"
    with file.open("ab", buffering=0) as log:
        for number in range(6):
            log.write(b"line %d\n" % number)
            logs.cut(file, limit_bytes=7)
        log.write(b"now\n")
        assert not logs.cut(file, limit_bytes=7)
    kept = {file.name: file.read_text() for file in folder.glob("orders.log*")}
    assert kept == {
        "orders.log": "now\n",
        "orders.log.1": "line 5\n",
        "orders.log.2": "line 4\n",
        "orders.log.3": "line 3\n",
    }


def test_lines_are_whole_and_carry_their_process(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(["orders", "psp"], sys.stdout)
    terminal.write("orders", b"first li")
    terminal.write("psp", b"other\n")
    terminal.write("orders", b"ne\nsecond\nunfinished")
    assert capsys.readouterr().out.splitlines() == [
        "psp    | other",
        "orders | first line",
        "orders | second",
    ]


def test_former_logs_stay_while_there_is_no_room_for_another(small_disk: Path) -> None:
    file = small_disk / "orders.log"
    file.write_bytes(b"now\n")
    for number in (1, 2, 3):
        file.with_name(f"orders.log.{number}").write_text(f"{number}\n")
    with filled(small_disk):
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                logs.cut(file, limit_bytes=1)
        kept = {one.name: one.read_text() for one in small_disk.glob("orders.log*")}
        assert kept == {
            "orders.log": "now\n",
            "orders.log.1": "1\n",
            "orders.log.2": "2\n",
            "orders.log.3": "3\n",
        }
    assert logs.cut(file, limit_bytes=1)


def test_the_words_of_a_launcher_without_room_are_lost_and_fail_nothing(small_disk: Path) -> None:
    output = Output(small_disk, None)
    with filled(small_disk, inodes=True):
        output.say("no room")
        output.write("orders", b"no room\n")
        with output.open("orders") as file:
            file.write(b"nor for the process\n")
        output.cut(["orders"])
    output.say("room again")
    assert logs.last_lines(logs.file_of(small_disk, Output.LAUNCHER), 1)[0].endswith("room again")


def test_a_start_that_a_full_disk_ended_says_so(small_disk: Path) -> None:
    """The launcher can record no reason then."""
    state = msgspec.structs.replace(state_of(small_disk), phase=Phase.STARTING)
    with filled(small_disk):
        assert explain_failure(state).splitlines() == [
            "The stack did not start: its launcher ended without recording why",
            f"The disk of {small_disk} has 0 KiB left: make space there and start again",
        ]


def test_what_cannot_be_shown_fails_nothing(folder: Path) -> None:
    """As with `./valerix up > file` on a full disk."""
    with Path("/dev/full").open("w") as stream:
        output = Output(folder, Terminal([Output.LAUNCHER], stream))
        for number in range(2):
            output.say(f"{number}")
            output.show()
        with pytest.raises(OSError, match="No space left"):
            stream.close()


@pytest.mark.parametrize("set_aside", [logs.cut, logs.rotate])
def test_following_goes_on_across_a_file_that_was_cut_or_replaced(
    folder: Path, set_aside: Callable[[Path, int], bool]
) -> None:
    file = folder / "orders.log"
    file.write_text("before\n")
    assert logs.last_lines(file, 5) == ["before"]
    following = logs.Following({"orders": file, "other": folder / "other.log"})
    assert set_aside(file, 1)
    assert list(following.read()) == []
    with file.open("a") as log:
        log.write("after\n")
    (folder / "other.log").write_text("new\n")
    assert list(following.read()) == [("orders", b"after\n"), ("other", b"new\n")]
    assert list(following.read()) == []


# --- Valkey


class Server:
    def __init__(self, folder: Path) -> None:
        self.port, self.password = free_port(), "only-for-this-test-run"
        self.users = [valkey.ValkeyUser(valkey.DEFAULT_USER, self.password, "~* +@all")]
        self.folder = folder / "valkey"
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        command = valkey.command(self.folder, self.port, self.users)
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        probe = health.valkey(self.port, valkey.DEFAULT_USER, self.password)
        until_blocking(lambda: asyncio.run(_ask(probe)), "Valkey answers")

    def stop(self, sent: signal.Signals) -> None:
        self.process.send_signal(sent)
        self.process.wait(30)


async def _ask(probe: health.Probe) -> bool:
    return await health.ask(probe, 0)


def test_valkey_needs_its_password_and_keeps_what_it_was_told(folder: Path) -> None:
    server = Server(folder)
    server.start()
    try:
        asyncio.run(_write(valkey.url(server.port, server.password)))
        with pytest.raises(AuthenticationError):
            asyncio.run(_read(valkey.url(server.port, "wrong")))
        server.stop(signal.SIGKILL)
        server.start()
        assert asyncio.run(_read(valkey.url(server.port, server.password))) == b"kept"
    finally:
        server.stop(signal.SIGTERM)
    assert stat.S_IMODE((server.folder / "valkey.conf").stat().st_mode) == 0o600
    command = " ".join(valkey.command(server.folder, server.port, server.users))
    assert server.password not in command + (server.folder / "valkey.conf").read_text()


def test_valkey_has_all_it_acknowledged_before_its_disk_was_full() -> None:
    """Valkey ends at a write that it cannot make durable, and reads a truncated append-only
    file.
    """
    with mounted(512 * 1024) as disk:
        server = Server(disk)
        server.start()
        try:
            asyncio.run(_write(valkey.url(server.port, server.password)))
            with filled(disk):
                acknowledged = asyncio.run(_count_up(valkey.url(server.port, server.password)))
                assert server.process.wait(30)
            server.start()
            kept = asyncio.run(_read(valkey.url(server.port, server.password), "count"))
            assert kept in (b"%d" % acknowledged, b"%d" % (acknowledged + 1)), (
                "the last answer may be lost"
            )
        finally:
            server.stop(signal.SIGKILL)


async def _count_up(url: str) -> int:
    """Return how many increments were acknowledged until the connection was lost."""
    acknowledged = 0
    async with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        with suppress(RedisConnectionError):
            while True:
                acknowledged = await client.incr("count")
    return acknowledged


async def _write(url: str) -> None:
    async with Redis.from_url(url) as client:
        await client.set("key", "kept")


async def _read(url: str, key: str = "key") -> object:
    async with Redis.from_url(url) as client:
        return await client.get(key)
