"""Background work continues after any exception, and ends only when it is cancelled."""

import asyncio

import pytest

from valerix.chassis.base import tasks
from valerix.chassis.base.tasks import Loops, Work, keep_running

TIMEOUT_SECONDS = 60


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0)


async def given_up() -> None:
    """Acts like a library that cancels the future its caller awaits."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def full() -> None:
    raise OSError("No space left on device")


def first(fault: Work, again: asyncio.Event) -> Work:
    """Work that meets a fault in its first run only."""
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await fault()
        again.set()
        await asyncio.Event().wait()

    return work


@pytest.mark.parametrize("fault", [given_up, full])
async def test_work_goes_on_after_an_error_and_a_cancellation_nobody_asked_for(fault: Work) -> None:
    heard: list[BaseException] = []
    again = asyncio.Event()
    running = asyncio.create_task(keep_running(first(fault, again), heard.append))
    await asyncio.wait_for(again.wait(), TIMEOUT_SECONDS)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(heard) == 1


async def test_work_goes_on_although_its_failure_cannot_be_logged() -> None:
    def failed(_: BaseException) -> None:
        raise OSError("No space left on device")

    again = asyncio.Event()
    running = asyncio.create_task(keep_running(first(full, again), failed))
    await asyncio.wait_for(again.wait(), TIMEOUT_SECONDS)
    await tasks.end([running])


async def test_loops_that_fail_or_end_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    loops = Loops(lambda name, _: heard.append(name))
    again, ended = asyncio.Event(), asyncio.Event()

    async def ending() -> None:
        ended.set()

    async def lasting() -> None:
        await asyncio.Event().wait()

    loops.start("failing", first(full, again))
    loops.start("ending", ending)
    loops.start("lasting", lasting)
    await asyncio.wait_for(asyncio.gather(again.wait(), ended.wait()), TIMEOUT_SECONDS)
    assert loops.troubles() == ["failing failed, times in a row: 1", "ending has ended"]
    assert heard == ["failing"]
    monkeypatch.setattr(tasks, "STEADY_SECONDS", 0)
    assert loops.troubles() == ["ending has ended"]
    await loops.close()
    assert loops.troubles() == ["failing has ended", "ending has ended", "lasting has ended"]


async def test_a_task_that_loses_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Like a client that is cancelled while it handles an error."""
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
