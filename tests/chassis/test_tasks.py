"""Background work ends when it is told to, and for nothing else."""

import asyncio

import pytest

from valerix.chassis.base import tasks
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


async def test_a_task_that_loses_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a client does that is cancelled while it handles an error."""
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.01)
    lost = 0

    async def losing() -> None:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
        await asyncio.Event().wait()

    async def failing() -> None:
        raise RuntimeError("of the task")

    ending = [asyncio.create_task(losing()), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.end(ending), 60)
    assert (lost, ending[0].cancelled(), str(ending[1].exception())) == (2, True, "of the task")
