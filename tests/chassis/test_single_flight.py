"""Callers join work that is already running."""

import asyncio

from valerix.chassis.base.problems import Unavailable
from valerix.chassis.concurrency.single_flight import SingleFlight, result_or, wait_for


async def test_who_comes_while_it_runs_joins_and_who_comes_later_begins_anew() -> None:
    flights: SingleFlight[int] = SingleFlight(limit=2)
    begun = 0

    async def work() -> int:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0)
        return begun

    assert await asyncio.gather(*(flights.join("a", work) for _ in range(5))) == [1] * 5
    assert await flights.join("a", work) == 2


async def test_work_goes_on_when_those_who_wait_have_left() -> None:
    flights: SingleFlight[str] = SingleFlight(limit=2)
    gate = asyncio.Event()

    async def work() -> str:
        await gate.wait()
        return "done"

    task = flights.join("a", work)
    await wait_for([task], 0)
    assert (result_or(task, "not yet"), flights.free_places()) == ("not yet", 1)
    gate.set()
    await wait_for([task], 5)
    assert (result_or(task, "not yet"), flights.free_places()) == ("done", 2)


async def test_a_failure_is_no_result_and_is_not_raised_at_those_who_wait() -> None:
    flights: SingleFlight[str] = SingleFlight(limit=2)

    async def work() -> str:
        raise Unavailable("not today")

    task = flights.join("a", work)
    await wait_for([task], 5)
    assert result_or(task, "otherwise") == "otherwise"


async def test_closing_gives_a_moment_and_then_stops() -> None:
    flights: SingleFlight[None] = SingleFlight(limit=2)
    quick = flights.join("quick", lambda: asyncio.sleep(0.01))
    # The second never returns.
    endless = flights.join("endless", asyncio.Event().wait)  # type: ignore[arg-type]
    await flights.close()
    assert (quick.cancelled(), endless.cancelled(), flights.free_places()) == (False, True, 2)
