"""Background work ends when it is told to, and for nothing else."""

import asyncio

import pytest

from valerix.chassis.http import service
from valerix.chassis.http.service import _keep_running


async def given_up() -> None:
    """As a library that gives up the future somebody waits for."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def test_a_job_goes_on_after_a_cancellation_nobody_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "JOB_RESTART_SECONDS", 0)
    runs, again = 0, asyncio.Event()

    async def job() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await given_up()
        again.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(_keep_running(job))
    await asyncio.wait_for(again.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert runs == 2
