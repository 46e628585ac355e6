"""The batcher: one path for one item and for many."""

import asyncio
from collections.abc import Sequence

import pytest

from valerix.chassis.base.problems import Unavailable
from valerix.chassis.concurrency.batcher import Batcher, batch_items


class Recorder:
    """Doubles numbers and records each batch. It blocks while `gate` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, batch: list[int]) -> Sequence[int | Exception]:
        self.batches.append(batch)
        await self.gate.wait()
        return [ValueError(f"bad {n}") if n < 0 else n * 2 for n in batch]


async def test_what_arrives_together_runs_together_and_each_gets_its_own() -> None:
    recorder = Recorder()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=1)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(10))) == [
        n * 2 for n in range(10)
    ]
    assert recorder.batches == [list(range(10))]


async def test_what_arrives_meanwhile_waits_and_forms_the_next_batch() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=1, max_batch=3)
    first = asyncio.create_task(batcher.submit(0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.submit(n)) for n in range(1, 6)]
    await asyncio.sleep(0)
    recorder.gate.set()
    assert await asyncio.gather(first, *rest) == [0, 2, 4, 6, 8, 10]
    assert recorder.batches == [[0], [1, 2, 3], [4, 5]]


async def test_ones_error_is_not_the_neighbours() -> None:
    batcher = Batcher(Recorder().run, name="test", max_concurrent_batches=1)
    good, bad, other = await asyncio.gather(
        *(batcher.submit(n) for n in (1, -1, 2)), return_exceptions=True
    )
    assert (good, other) == (2, 4)
    assert isinstance(bad, ValueError)


async def test_a_failing_batch_fails_for_all_of_it_and_the_lane_goes_on() -> None:
    calls = 0

    async def run(batch: list[int]) -> Sequence[int | Exception]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError("gone")
        return batch

    batcher = Batcher(run, name="test", max_concurrent_batches=1)
    results = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
    assert all(isinstance(result, ConnectionError) for result in results)
    assert await batcher.submit(3) == 3


async def test_a_batch_that_comes_back_short_is_an_error_not_a_mix_up() -> None:
    async def run(batch: list[int]) -> Sequence[int | Exception]:
        return batch[1:]

    with pytest.raises(RuntimeError, match="came back with"):
        await Batcher(run, name="test", max_concurrent_batches=1).submit(1)


async def test_a_full_house_refuses_before_any_work() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(
        recorder.run, name="test", max_concurrent_batches=1, max_batch=1, max_waiting=2
    )
    running = [asyncio.create_task(batcher.submit(0))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running += [asyncio.create_task(batcher.submit(n)) for n in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await batcher.submit(3)
    recorder.gate.set()
    assert await asyncio.gather(*running) == [0, 2, 4]
    assert 3 not in [n for batch in recorder.batches for n in batch]


async def test_a_caller_that_goes_away_does_not_take_its_batch_along() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=1)
    leaving, staying = (
        asyncio.create_task(batcher.submit(1)),
        asyncio.create_task(batcher.submit(2)),
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaving.cancel()
    recorder.gate.set()
    assert await staying == 4
    assert recorder.batches == [[1, 2]]


async def test_the_sizes_of_batches_are_counted() -> None:
    recorder = Recorder()
    batcher = Batcher(recorder.run, name="counted", max_concurrent_batches=1, max_batch=4)
    await asyncio.gather(*(batcher.submit(n) for n in range(6)))
    samples = [
        s
        for metric in batch_items.collect()
        for s in metric.samples
        if s.labels["coalescer"] == "counted"
    ]
    sizes = {s.labels["le"]: s.value for s in samples if "le" in s.labels}
    assert (sizes["1.0"], sizes["2.0"], sizes["4.0"]) == (0, 1, 2)


async def test_the_wait_is_that_of_the_first_in_the_queue() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=1)
    assert batcher.waits_seconds() == 0.0
    waiting = [asyncio.create_task(batcher.submit(0))]
    while not recorder.batches:
        await asyncio.sleep(0)
    waiting.append(asyncio.create_task(batcher.submit(1)))
    await asyncio.sleep(0.05)
    waiting.append(asyncio.create_task(batcher.submit(2)))
    await asyncio.sleep(0)
    assert batcher.waits_seconds() >= 0.04
    recorder.gate.set()
    await asyncio.gather(*waiting)


async def test_a_further_lane_waits_for_company_but_not_for_ever() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=2, linger_seconds=0.05)
    first = asyncio.create_task(batcher.submit(0))
    while not recorder.batches:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(batcher.submit(1))]
    for n in (2, 3):
        await asyncio.sleep(0)
        rest.append(asyncio.create_task(batcher.submit(n)))
    while len(recorder.batches) < 2:  # although the first one is blocked
        await asyncio.sleep(0.001)
    recorder.gate.set()
    await asyncio.gather(first, *rest)
    assert recorder.batches == [[0], [1, 2, 3]]


async def test_a_lane_that_is_done_takes_over_what_waits_for_company() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=2, linger_seconds=3600)
    first = asyncio.create_task(batcher.submit(0))
    while not recorder.batches:
        await asyncio.sleep(0)
    second = asyncio.create_task(batcher.submit(1))
    for _ in range(5):
        await asyncio.sleep(0)
    assert recorder.batches == [[0]]
    recorder.gate.set()
    assert [await first, await second] == [0, 2]


async def test_a_full_batch_needs_no_more_company() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(
        recorder.run, name="test", max_concurrent_batches=2, max_batch=3, linger_seconds=3600
    )
    waiting = [asyncio.create_task(batcher.submit(0))]
    while not recorder.batches:
        await asyncio.sleep(0)
    for n in (1, 2, 3):
        waiting.append(asyncio.create_task(batcher.submit(n)))
        await asyncio.sleep(0)
    while len(recorder.batches) < 2:
        await asyncio.sleep(0)
    assert recorder.batches == [[0], [1, 2, 3]]
    recorder.gate.set()
    await asyncio.gather(*waiting)


async def test_who_comes_when_all_are_done_waits_for_nobody() -> None:
    """Also when a further batch had started to linger."""
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=2, linger_seconds=3600)
    waiting = [asyncio.create_task(batcher.submit(0))]
    while not recorder.batches:
        await asyncio.sleep(0)
    waiting.append(asyncio.create_task(batcher.submit(1)))
    for _ in range(5):
        await asyncio.sleep(0)
    recorder.gate.set()
    await asyncio.gather(*waiting)
    assert await batcher.submit(2) == 4


async def test_there_are_no_more_batches_at_once_than_lanes_however_many_have_ended() -> None:
    recorder = Recorder()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=1, max_batch=1)
    assert await batcher.submit(0) == 0
    recorder.gate.clear()
    waiting = [asyncio.create_task(batcher.submit(n)) for n in (1, 2, 3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert recorder.batches == [[0], [1]]
    recorder.gate.set()
    assert await asyncio.gather(*waiting) == [2, 4, 6]


async def test_what_is_too_much_for_one_batch_gets_another_lane() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    batcher = Batcher(recorder.run, name="test", max_concurrent_batches=3, max_batch=2)
    waiting = [asyncio.create_task(batcher.submit(n)) for n in range(7)]
    while len(recorder.batches) < 3:
        await asyncio.sleep(0)
    assert recorder.batches == [[0, 1], [2, 3], [4, 5]]
    recorder.gate.set()
    await asyncio.gather(*waiting)
