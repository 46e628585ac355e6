"""The parts that both adapters share, without a broker."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.chassis.test_tasks import given_up
from valerix.chassis.messaging.bus import delivery
from valerix.chassis.messaging.bus.base import Delivery, Message
from valerix.chassis.messaging.bus.delivery import handled, until_one_ends

TIMEOUT_SECONDS = 60


async def test_a_handler_that_a_library_cancels_is_called_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "pauses", lambda: iter([0, 0]))
    calls = 0

    async def handle(_: Sequence[Delivery]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await given_up()

    await handled(handle, [Delivery(Message("topic", "id", b""), 1)])
    assert calls == 2


async def test_of_works_that_belong_together_none_ends_in_silence() -> None:
    with pytest.raises(asyncio.CancelledError):
        # The second never returns.
        works = until_one_ends(given_up(), asyncio.Event().wait())  # type: ignore[arg-type]
        await asyncio.wait_for(works, TIMEOUT_SECONDS)
