"""Faults of a service without a shared Valkey: stored in a file, read and ended over HTTP."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from pyreqwest.exceptions import RequestError

from tests.chassis.test_chaos import CHAOS, SECRET, audit, charge, database, inject
from tests.support.api import Api
from tests.support.disks import filled, mounted
from tests.support.identities import Identities
from tests.support.processes import Process, prepare
from valerix.chassis.base import caller
from valerix.chassis.base.settings import ServiceSettings
from valerix.chassis.base.tasks import end
from valerix.chassis.calls.faults import FaultsUnreachable, RemoteFaults
from valerix.chassis.calls.recording import no_recorder
from valerix.chassis.chaos.faults import Errors, Register
from valerix.chassis.chaos.store import LocalStore, Menu
from valerix.chassis.chaos.use_cases import Chaos
from valerix.contracts.acts import Actor

__all__ = ["audit", "database"]


async def test_a_service_without_valkey_knows_faults_after_a_kill_and_is_read_and_mended_over_http(
    tmp_path: Path, identities: Identities, audit: Process
) -> None:
    files = {"ledger_file": tmp_path / "ledger", "faults_file": tmp_path / "faults.json"}
    service = prepare(
        "psp", identities, psp_secret=SECRET, chaos="enabled", users_url=audit.url, **files
    ).start()
    settings = ServiceSettings(
        port=1,
        keys_file=identities.keys_file,
        signing_key_file=identities.signing_key_file("console"),
        call_backoff_seconds=0.01,
    )
    root = identities.person("admin", subject="root")
    async with (
        Api.open(service.url, root) as admin,
        RemoteFaults.open("psp", [service.url], settings) as remote,
    ):
        try:
            await inject(
                admin, "crash", how="kill", times=2, path="/v1/charges", durationSeconds=600
            )
            for _ in range(2):
                with pytest.raises(RequestError):
                    await charge(admin, "once")
                service.kill()
                service.start()
            assert (await charge(admin, "once")).status == 200, "made by the first"
            (spent,) = (await admin.get(CHAOS)).json["history"]
            assert (spent["state"], spent["strikes"]) == ("spent", 2)
            assert "crash_simulations_total 2.0" in (await admin.get("/metrics")).body.decode()

            await inject(admin, "errors", fraction=1)
            console = Chaos(
                LocalStore("console", "console"), "console", Menu([], [], []), no_recorder, [remote]
            )
            (seen,) = await console.overview()
            assert (seen.service, [type(one.fault) for one in seen.active]) == ("psp", [Errors])
            caller.person_token.set(root)
            (ended,) = await console.stop_all(Actor("root", "admin", "::1", "a" * 32))
            assert (ended.active, (await charge(admin)).status) == ([], 201)
        finally:
            service.kill()
        assert await console.overview() == []
        with pytest.raises(FaultsUnreachable):
            await remote.stop()


async def test_faults_that_cannot_be_kept_hold_for_as_long_as_the_process_lives() -> None:
    applied: list[Register] = []
    with mounted(16 * 1024) as disk:
        store = LocalStore("psp", "psp", disk / "faults.json")
        following = asyncio.create_task(store.follow(applied.append))
        await asyncio.sleep(0)
        with filled(disk):
            await store.change("psp", lambda register: msgspec.structs.replace(register, version=1))
            assert await store.count("fault", 2) == 1
        assert await store.count("fault", 2) == 2
        await end([following])
        assert [register.version for register in applied] == [1]
        successor = LocalStore("psp", "psp", disk / "faults.json")
        assert await successor.count("fault", 2) == 0, "the fault is spent"
