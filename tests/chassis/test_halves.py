"""One impossible item fails alone."""

import asyncio
from collections.abc import Sequence

import pytest

from valerix.chassis.concurrency.batcher import Batcher
from valerix.chassis.concurrency.halves import by_halves

IMPOSSIBLE = (KeyError,)


class Store:
    """Accepts lists completely or not at all."""

    def __init__(self, *impossible: int) -> None:
        self.impossible = impossible
        self.stored: list[int] = []
        self.runs = 0

    async def put(self, items: Sequence[int]) -> list[int]:
        self.runs += 1
        if bad := set(items).intersection(self.impossible):
            raise KeyError(*bad)
        self.stored += items
        return list(items)


@pytest.mark.parametrize("impossible", [(), (0,), (63,), (7, 8), tuple(range(64))])
async def test_all_others_are_stored_once_and_in_order(impossible: tuple[int, ...]) -> None:
    store = Store(*impossible)
    parts = await by_halves(range(64), store.put, IMPOSSIBLE)
    assert [item for part, _ in parts for item in part] == list(range(64))
    assert [part[0] for part, outcome in parts if isinstance(outcome, KeyError)] == list(impossible)
    assert store.stored == [item for item in range(64) if item not in impossible]


async def test_good_items_cost_one_run_and_none_cost_nothing() -> None:
    store = Store()
    assert await by_halves([], store.put, IMPOSSIBLE) == []
    await by_halves(range(64), store.put, IMPOSSIBLE)
    assert store.runs == 1


async def test_another_error_ends_it() -> None:
    store = Store(7)
    with pytest.raises(KeyError):
        await by_halves(range(64), store.put, (ValueError,))
    assert store.runs == 1


async def test_callers_of_a_batch_beside_an_impossible_one_get_their_results() -> None:
    store = Store(7)
    batcher = Batcher(store.put, name="test", max_concurrent_batches=1, impossible=IMPOSSIBLE)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(10)), return_exceptions=True)
    assert isinstance(results.pop(7), KeyError)
    assert results == [n for n in range(10) if n != 7]
