"""The Python client against the whole stack, through the gateway."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import ADA, OPERATOR, Stack, assert_sound, settled
from valerix.client import AsyncValerix, Valerix, errors
from valerix.contracts.money import Money


@pytest.fixture
def valerix(stack: Stack) -> Iterator[Valerix]:
    """Provides a client that is signed in as the operator."""
    with Valerix(stack.url, email=OPERATOR, password=stack.secret("demo")) as client:
        yield client


def test_an_order_from_its_placing_to_its_refund(valerix: Valerix) -> None:
    order = valerix.orders.place("CUST-001", {"PROD-005": 2, "PROD-007": 1})
    assert order.status == "confirmed"
    assert order.total == Money(2 * 37_900 + 9_900, "USD")
    assert valerix.orders.get(order.id).payment_id == order.payment_id
    assert order.id in {
        found.id for found in valerix.orders.list(status="confirmed", product_id="PROD-005")
    }
    timeline = valerix.orders.timeline(order.id)
    assert [event.type for event in timeline.events][:2] == ["order.created", "order.confirmed"]
    assert {"reserve_stock", "charge"} <= {
        step.name for event in timeline.events for step in event.steps
    }
    payment = valerix.payments.of_order(order.id)
    assert (payment.status, payment.captured) == ("captured", order.total)
    assert payment.id in {found.id for found in valerix.payments.list(order_id=order.id)}
    refund = valerix.payments.refund(payment.id, amount_minor=900, idempotency_key="refund-1")
    assert refund == valerix.payments.refund(
        payment.id, amount_minor=900, idempotency_key="refund-1"
    )
    assert valerix.payments.get(payment.id).refunded == Money(900, "USD")
    assert valerix.orders.cancel(order.id, reason="test").status == "cancelled"
    assert valerix.orders.wait_until(order.id, {"cancelled"}).version > order.version
    assert valerix.payments.get(payment.id).status == "refunded"


def test_the_same_key_is_the_same_order(valerix: Valerix) -> None:
    first = valerix.orders.place("CUST-001", {"PROD-007": 1}, idempotency_key="client-1")
    again = valerix.orders.place("CUST-001", {"PROD-007": 1}, idempotency_key="client-1")
    assert (first.replayed, again.replayed, again.id) == (False, True, first.id)
    with pytest.raises(errors.Unprocessable) as caught:
        valerix.orders.place("CUST-001", {"PROD-007": 2}, idempotency_key="client-1")
    assert caught.value.code == "idempotency_key_reused"


def test_refusals_carry_the_order(valerix: Valerix) -> None:
    with pytest.raises(errors.PaymentDeclined) as declined:
        valerix.orders.place("CUST-001", {"PROD-007": 1}, payment_method="card_declined")
    assert declined.value.order is not None
    assert declined.value.order.status == "failed"
    with pytest.raises(errors.Unprocessable, match="NOPE") as unknown:
        valerix.orders.place("CUST-001", {"NOPE": 1})
    assert unknown.value.code == "unknown_product"
    with pytest.raises(errors.Invalid) as invalid:
        valerix.orders.place("CUST-001", {"PROD-007": 101})
    assert [error.pointer for error in invalid.value.errors] == ["/items/0/quantity"]
    with pytest.raises(errors.NotFound):
        valerix.orders.get("01890000-0000-7000-8000-000000000000")


def test_a_held_order_is_changed_and_driven_on(valerix: Valerix) -> None:
    valerix.products.create(
        "CLIENT-HELD", "Scarce", Money(1000, "USD"), initial_stock={"WH-EAST": 1}
    )
    with pytest.raises(errors.InsufficientStock) as caught:
        valerix.orders.place("CUST-001", {"CLIENT-HELD": 2})
    held = caught.value.order
    assert held is not None
    assert held.status == "pending"
    with pytest.raises(errors.VersionMismatch):
        valerix.orders.change(held.id, items={"CLIENT-HELD": 1}, version=held.version + 7)
    valerix.orders.change(held.id, items={"CLIENT-HELD": 1}, version=held.version)
    assert valerix.orders.retry(held.id).status == "confirmed"
    with pytest.raises(errors.Conflict):
        valerix.orders.retry(held.id)


def test_catalogue_and_stock(valerix: Valerix) -> None:
    made = valerix.products.create("CLIENT-1", "Thing", Money(1000, "USD"), low_stock_threshold=3)
    assert "CLIENT-1" in {
        product.product_id for product in valerix.products.list(search="CLIENT-1")
    }
    changed = valerix.products.update(
        "CLIENT-1",
        name="Better thing",
        price=Money(1100, "USD"),
        low_stock_threshold=3,
        version=made.version,
    )
    assert valerix.products.get("CLIENT-1") == changed
    assert {place.warehouse_id for place in valerix.warehouses.list()} >= {"WH-EAST", "WH-WEST"}
    assert valerix.inventory.adjust("CLIENT-1", "WH-EAST", 5, reason="found").available == 5
    first = valerix.inventory.update("CLIENT-1", -3, idempotency_key="client-update")
    again = valerix.inventory.update("CLIENT-1", -3, idempotency_key="client-update")
    assert (first.new_stock, again.new_stock, first.idempotent, again.idempotent) == (
        2,
        2,
        False,
        True,
    )
    assert valerix.inventory.get("CLIENT-1").low_stock
    assert "CLIENT-1" in {item.product_id for item in valerix.inventory.list(low_stock=True)}
    assert [movement.on_hand_delta for movement in valerix.inventory.movements("CLIENT-1")] == [
        -3,
        5,
    ]
    with pytest.raises(errors.Conflict):
        valerix.inventory.adjust("CLIENT-1", "WH-EAST", -3, reason="more than there is")
    valerix.products.delete("CLIENT-1")


def test_accounts_and_who_may_what(stack: Stack, valerix: Valerix) -> None:
    assert valerix.users.me().role == "operator"
    assert not valerix.customers.validate("CUST-010").valid
    assert valerix.customers.get("CUST-001").email == ADA
    with Valerix(stack.url) as guest:
        user = guest.users.register(
            "Client Test", "client@test.example", "a long enough passphrase"
        )
        with pytest.raises(errors.Conflict):
            guest.users.register("Client Test", "client@test.example", "a long enough passphrase")
        with pytest.raises(errors.Unauthenticated):
            next(guest.orders.list())
        assert guest.login("client@test.example", "a long enough passphrase").user == user
        assert list(guest.orders.list()) == []
        with pytest.raises(errors.Forbidden):
            guest.orders.place("CUST-001", {"PROD-007": 1})


async def test_a_killed_service_is_never_noticed(stack: Stack) -> None:
    """The client's retries bridge the restart; every order is placed once."""
    victims = ["orders", "orders-2"]
    async with AsyncValerix(
        stack.url, email=ADA, password=stack.secret("demo"), retry_seconds=60
    ) as ada:
        placing = [
            asyncio.create_task(ada.orders.place("CUST-001", {"PROD-018": 1})) for _ in range(40)
        ]
        await asyncio.sleep(0.05)
        for victim in victims:
            os.kill(stack.pid(victim), signal.SIGKILL)
        orders = await asyncio.gather(*placing)
        ids = {order.id for order in orders}
        assert len(ids) == 40
        ended = [
            await ada.orders.wait_until(order.id, {"confirmed"}, timeout_seconds=60)
            for order in orders
        ]
    assert {order.status for order in ended} == {"confirmed"}
    await settled(stack)
    await assert_sound(stack)


def test_the_commands_reach_the_running_stack(stack: Stack) -> None:
    placed = stack.cli("order", "place", "--customer", "CUST-001", "PROD-003:1").stdout
    hint = placed.splitlines()[-1]
    assert hint.startswith("Next: ./valerix order show ")
    order_id = hint.split()[4]
    assert "order.confirmed" in stack.cli("order", "show", order_id).stdout
    assert order_id in stack.cli("order", "list", "--limit", "5").stdout
    assert "is cancelled" in stack.cli("order", "cancel", order_id, "--reason", "test").stdout
    refused = stack.cli("order", "retry", order_id, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Dell XPS 15" in stack.cli("stock").stdout
    adjusted = stack.cli(
        "stock", "adjust", "PROD-003", "--warehouse", "WH-EAST", "--by", "1", "--reason", "found"
    )
    assert "PROD-003 in WH-EAST" in adjusted.stdout
    assert "found" in stack.cli("stock", "PROD-003").stdout
    nowhere = Stack(Path(stack.data_dir, "elsewhere")).cli("stock", check=False)
    assert (nowhere.returncode, "No stack is running" in nowhere.stderr) == (1, True)
