"""Copies of a service take turns while their health checks succeed."""

import asyncio

from tests.gateway.front import Front
from tests.support.eventually import eventually, eventually_equal, until_blocking


def test_replicas_take_turns(front: Front) -> None:
    both = {"orders-1", "orders-2"}
    until_blocking(
        lambda: {front.reached("/orders")["name"] for _ in range(10)} == both, "both are asked"
    )


def test_a_replica_that_is_not_ready_gets_nothing_until_it_is(front: Front) -> None:
    backend = front.echo("orders-2")
    backend.ready = False
    until_blocking(
        lambda: {front.reached("/orders")["name"] for _ in range(6)} == {"orders-1"},
        "the stopped copy is removed from balancing",
    )
    backend.ready = True
    until_blocking(
        lambda: len({front.reached("/orders")["name"] for _ in range(6)}) == 2, "it is back"
    )


def test_copies_are_checked_also_when_idle(front: Front) -> None:
    before = {name: front.echo(name).checks for name in front.services}
    until_blocking(
        lambda: all(front.echo(name).checks > count for name, count in before.items()), "all are"
    )


async def test_backends_that_are_not_reached_are_named(front: Front) -> None:
    service = front.echo("users-1")
    service.ready = False
    try:
        await eventually_equal(front.gateway.unreachable, ["users-1"])
        assert (await asyncio.to_thread(front.get, "/health"))[0] == 200
    finally:
        service.ready = True
    await eventually(lambda: reaches_all(front))


async def reaches_all(front: Front) -> bool:
    return await front.gateway.unreachable() == []
