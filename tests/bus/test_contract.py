"""The contract of a bus, tested on each adapter with a real broker.

One adapter alone: `-k valkey`, `-k rabbitmq`.
"""

import asyncio
from pathlib import Path

import pytest

from tests.bus.consumer import child
from tests.bus.received import Received, consuming, ids, messages
from tests.support.brokers import Broker
from tests.support.eventually import until
from valerix.chassis.messaging.bus.base import Bus, BusUnavailable
from valerix.chassis.messaging.bus.connect import open_bus


async def published_again(bus: Bus, topic: str, *numbers: int) -> None:
    """Publishes like the outbox: again until it succeeds."""
    for _ in range(900):
        try:
            return await bus.publish(messages(topic, *numbers))
        except BusUnavailable:
            await asyncio.sleep(0.1)
    raise AssertionError("the bus did not come back")


async def test_what_is_published_arrives_once_and_in_order(bus: Bus, topic: str) -> None:
    await bus.declare([topic], ["reader"])
    async with consuming(bus, "reader", topic) as received:
        await bus.publish(messages(topic, *range(50)))
        await bus.publish(messages(topic, *range(50, 100)))
        await received.at_least(100)
    assert received.ids == ids(topic, *range(100))
    assert [delivery.message for delivery in received.deliveries] == messages(topic, *range(100))
    assert {delivery.attempt for delivery in received.deliveries} == {1}


async def test_publications_in_flight_at_once_keep_the_order_of_the_calls(
    bus: Bus, topic: str
) -> None:
    await bus.declare([topic], ["reader"])
    await asyncio.gather(*(bus.publish(messages(topic, number)) for number in range(100)))
    async with consuming(bus, "reader", topic) as received:
        await received.at_least(100)
    assert received.ids == ids(topic, *range(100))


async def test_nothing_to_publish_is_no_work(bus: Bus) -> None:
    await bus.publish([])


async def test_every_consumer_gets_everything(bus: Bus, topic: str) -> None:
    await bus.declare([topic], ["first", "second", "late"])
    async with consuming(bus, "first", topic) as first, consuming(bus, "second", topic) as second:
        await bus.publish(messages(topic, 1, 2, 3))
        await first.at_least(3)
        await second.at_least(3)
    async with consuming(bus, "late", topic) as late:
        await late.at_least(3)
    assert first.ids == second.ids == late.ids == ids(topic, 1, 2, 3)


async def test_one_consumer_follows_many_topics(bus: Bus, topic: str) -> None:
    topics = [f"{topic}-{letter}" for letter in "abc"]
    await bus.declare(topics, ["reader"])
    async with consuming(bus, "reader", *topics) as received:
        for one in topics:
            await bus.publish(messages(one, 1, 2))
        await received.at_least(6)
    for one in topics:
        assert [each for each in received.ids if each.startswith(one)] == ids(one, 1, 2)


async def test_a_consumer_may_come_before_its_publisher(
    bus: Bus, broker: Broker, topic: str
) -> None:
    async with (
        consuming(bus, "reader", topic) as received,
        open_bus(broker.url, "test-2") as publisher,
    ):
        await publisher.declare([topic], ["reader"])
        await publisher.publish(messages(topic, 1))
        await received.at_least(1)


async def test_a_message_sent_twice_is_delivered_twice(bus: Bus, topic: str) -> None:
    await bus.declare([topic], ["reader"])
    await bus.publish(messages(topic, 1))
    await bus.publish(messages(topic, 1))
    async with consuming(bus, "reader", topic) as received:
        await received.at_least(2)
    assert received.ids == ids(topic, 1, 1)


async def test_what_a_handler_refuses_comes_again_in_order(bus: Bus, topic: str) -> None:
    await bus.declare([topic], ["reader"])
    async with consuming(bus, "reader", topic) as received:
        received.failing = True
        await bus.publish(messages(topic, 1, 2))
        await until(lambda: len(received.failures) >= 2)
        await bus.publish(messages(topic, 3))
        received.failing = False
        await received.at_least(3)
    assert received.ids == ids(topic, 1, 2, 3)
    assert all(failed[0] == f"{topic}-1" for failed in received.failures)


async def test_what_was_not_acknowledged_goes_to_the_next_consumer(bus: Bus, topic: str) -> None:
    await bus.declare([topic], ["reader"])
    await bus.publish(messages(topic, 1, 2, 3))
    async with consuming(bus, "reader", topic) as given_up:
        given_up.failing = True
        await until(lambda: bool(given_up.failures))
    async with consuming(bus, "reader", topic) as received:
        await received.at_least(3)
    assert received.ids == ids(topic, 1, 2, 3)


async def test_of_two_processes_one_is_active_until_it_closes(
    bus: Bus, broker: Broker, topic: str
) -> None:
    await bus.declare([topic], ["reader"])
    async with open_bus(broker.url, "test-2") as other, consuming(bus, "reader", topic) as active:
        await bus.publish(messages(topic, 1))
        await active.at_least(1)
        async with consuming(other, "reader", topic) as standby:
            await bus.publish(messages(topic, *range(2, 50)))
            await active.at_least(49)
            assert not standby.ids
    async with (
        open_bus(broker.url, "test-2") as other,
        consuming(other, "reader", topic) as standby,
    ):
        await bus.publish(messages(topic, 50))
        await standby.at_least(1)
    assert active.ids == ids(topic, *range(1, 50))
    assert standby.ids == ids(topic, 50)


async def test_another_takes_over_from_a_killed_process_and_nothing_is_lost(
    bus: Bus, broker: Broker, topic: str, tmp_path: Path
) -> None:
    handled, received = tmp_path / "handled", Received()
    await bus.declare([topic], ["reader"])
    async with child(broker.url, "reader", topic, handled):
        await bus.publish(messages(topic, *range(100)))
        await until(handled.exists)
        standby = asyncio.create_task(bus.subscribe("reader", [topic], received))
        await bus.publish(messages(topic, *range(100, 200)))
        assert not received.ids
    await bus.publish(messages(topic, *range(200, 300)))
    await until(lambda: f"{topic}-299" in received.ids)
    standby.cancel()
    await asyncio.wait([standby])
    everything = [*handled.read_text().splitlines(), *received.ids]
    assert list(dict.fromkeys(everything)) == ids(topic, *range(300))


async def test_the_attempt_grows_when_a_consumer_dies_with_a_message(
    bus: Bus, broker: Broker, topic: str, tmp_path: Path
) -> None:
    await bus.declare([topic], ["reader"])
    await bus.publish(messages(topic, 1, 2))
    for death in ("first", "second"):
        async with child(broker.url, "reader", topic, tmp_path / death, "hang"):
            await until((tmp_path / death).exists)
    async with consuming(bus, "reader", topic) as received:
        await received.at_least(2)
    assert received.ids == ids(topic, 1, 2)
    assert received.deliveries[0].attempt == 3


async def test_an_outage_is_told_and_survived(bus: Bus, broker: Broker, topic: str) -> None:
    await bus.declare([topic], ["reader", "other"])
    await bus.publish(messages(topic, 1))
    async with consuming(bus, "reader", topic) as received:
        await received.at_least(1)
        received.failing = True
        await bus.publish(messages(topic, 2, 3))
        await until(lambda: bool(received.failures))
        broker.kill()
        with pytest.raises(BusUnavailable):
            await bus.publish(messages(topic, 4))
        with pytest.raises(BusUnavailable):
            await bus.check()
        with pytest.raises(BusUnavailable):
            await bus.declare([topic], ["reader"])
        broker.start()
        received.failing = False
        await published_again(bus, topic, 4)
        await bus.check()
        await until(lambda: f"{topic}-4" in received.ids)
    async with consuming(bus, "other", topic) as other:
        await until(lambda: f"{topic}-4" in other.ids)
    for each in (received, other):
        assert list(dict.fromkeys(each.ids)) == ids(topic, 1, 2, 3, 4)


async def test_a_bus_may_be_opened_and_followed_before_its_broker_runs(
    broker: Broker, topic: str
) -> None:
    broker.kill()
    async with open_bus(broker.url, "early") as bus, consuming(bus, "reader", topic) as received:
        with pytest.raises(BusUnavailable):
            await bus.check()
        broker.start()
        await eventually_declared(bus, topic)
        await published_again(bus, topic, 1)
        await received.at_least(1)


async def eventually_declared(bus: Bus, topic: str) -> None:
    for _ in range(900):
        try:
            return await bus.declare([topic], ["reader"])
        except BusUnavailable:
            await asyncio.sleep(0.1)
    raise AssertionError("the bus did not come back")


async def test_nothing_is_left_running(broker: Broker, topic: str) -> None:
    before = asyncio.all_tasks()
    async with open_bus(broker.url, "test-2") as bus:
        await bus.declare([topic], ["reader"])
        async with consuming(bus, "reader", topic) as received:
            sending = asyncio.create_task(bus.publish(messages(topic, 1)))
            await received.at_least(1)
            sending.cancel()
            await asyncio.wait([sending])
    await until(lambda: asyncio.all_tasks() == before)


async def test_five_thousand_messages_arrive_in_order(bus: Bus, topic: str) -> None:
    await bus.declare([topic], ["reader"])
    async with consuming(bus, "reader", topic) as received:
        for start in range(0, 5000, 500):
            await bus.publish(messages(topic, *range(start, start + 500)))
        await received.at_least(5000)
    assert received.ids == ids(topic, *range(5000))


async def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'kafka'"):
        async with open_bus("kafka://127.0.0.1", "test-1"):
            pass
