"""Concurrent requests for the same stock: through the gateway, on two replicas of orders and of
inventory.
"""

import asyncio

from tests.support.stack import ADA, GRACE, OPERATOR, Stack, new_product, place, settled

ROUNDS = 25


async def test_two_customers_racing_for_the_last_unit_have_one_winner(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada, stack.api(GRACE) as grace:
        for round_ in range(ROUNDS):
            sku = f"LAST-{round_}"
            await new_product(operator, sku, 1)
            answers = await asyncio.gather(
                place(ada, {sku: 1}, onShortage="reject"),
                place(grace, {sku: 1}, customer="CUST-002", onShortage="reject"),
            )
            assert sorted(answer.status for answer in answers) == [201, 409]
            assert await stack.stock(sku) == (1, 1)


async def test_a_flash_sale_sells_exactly_what_there_is(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, "FLASH-1", 40)
        answers = await asyncio.gather(
            *(
                place(operator, {"FLASH-1": 1}, customer=f"CUST-00{n % 9 + 1}", onShortage="reject")
                for n in range(120)
            )
        )
    statuses = [answer.status for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (40, 80)
    assert await stack.stock("FLASH-1") == (40, 40)


async def test_carts_naming_products_in_opposite_order_never_see_a_deadlock(stack: Stack) -> None:
    async with stack.api(OPERATOR) as operator:
        skus = [f"CROSS-{n}" for n in range(4)]
        for sku in skus:
            await new_product(operator, sku, 10_000)
        there, back = dict.fromkeys(skus, 1), dict.fromkeys(reversed(skus), 1)
        answers = await asyncio.gather(
            *(place(operator, there if n % 2 else back) for n in range(200))
        )
    assert {answer.status for answer in answers} == {201}
    assert [await stack.stock(sku) for sku in skus] == [(10_000, 200)] * 4
    await settled(stack)


async def test_both_replicas_took_part(stack: Stack) -> None:
    """With one replica, the races above would prove less than they claim."""
    for name in ("orders", "orders-2", "inventory", "inventory-2"):
        log = (stack.data_dir / "logs" / f"{name}.log").read_text()
        assert '"method":"POST"' in log, f"{name} served nothing"
