"""Refunds by hand: as the order permits, noted in its history, and sound in any race with it."""

from typing import Any, Final

import pytest

from tests.payments.conftest import NOWHERE, SECRET, paid
from tests.payments.test_cancelling import House, code_of, house, kept, once
from tests.payments.test_owed import PATH, Service, api, refused, service
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.orders import TOTAL, WrittenOrders
from tests.support.processes import Process, running
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import Unacceptable
from valerix.contracts import commands
from valerix.contracts.ids import new_id
from valerix.contracts.states import OrderStatus, PaymentStatus

__all__ = ["api", "house", "service"]
LEFT: Final = ("shipped", "completed")
PAID: Final = ("confirmed", "processing")
ENDED: Final = ("pending", "failed", "cancelled")


async def refunded(api: Api, payment: dict[str, Any]) -> int:
    return int((await api.get(f"{PATH}/{payment['id']}")).json["refunded"]["amountMinor"])


@pytest.mark.parametrize("status", [*PAID, *LEFT])
async def test_part_of_the_money_may_go_back_once_an_order_is_paid(
    api: Api, written_orders: WrittenOrders, status: str
) -> None:
    payment = await paid(api, written_orders, status)
    assert (await api.post(f"{PATH}/{payment['id']}/refund", {"amountMinor": 1})).status == 201


@pytest.mark.parametrize("status", LEFT)
async def test_all_of_the_money_may_go_back_once_the_goods_have_left(
    api: Api, written_orders: WrittenOrders, status: str
) -> None:
    payment = await paid(api, written_orders, status)
    answer = await api.post(f"{PATH}/{payment['id']}/refund", {})
    assert (answer.status, answer.json["amountMinor"]) == (201, TOTAL)


@pytest.mark.parametrize(
    "body", [{}, {"amountMinor": TOTAL - 1}], ids=["without an amount", "the rest"]
)
@pytest.mark.parametrize("status", PAID)
async def test_an_order_whose_goods_are_here_is_cancelled_instead(
    api: Api, written_orders: WrittenOrders, status: str, body: dict[str, int]
) -> None:
    payment = await paid(api, written_orders, status)
    assert (await api.post(f"{PATH}/{payment['id']}/refund", {"amountMinor": 1})).status == 201
    problem = refused(await api.post(f"{PATH}/{payment['id']}/refund", body), 409, "cancel_instead")
    assert "cancel it to refund" in problem["detail"]
    assert await refunded(api, payment) == 1


@pytest.mark.parametrize("status", ENDED)
async def test_an_order_that_does_not_stand_is_not_refunded_by_hand(
    api: Api, written_orders: WrittenOrders, status: str
) -> None:
    payment = await paid(api, written_orders, status)
    problem = refused(
        await api.post(f"{PATH}/{payment['id']}/refund", {"amountMinor": 1}),
        409,
        "order_not_refundable",
    )
    assert problem["orderStatus"] == status
    assert await refunded(api, payment) == 0


async def test_an_order_that_is_being_cancelled_gives_its_money_back_by_itself(
    api: Api, written_orders: WrittenOrders
) -> None:
    payment = await paid(api, written_orders, "confirmed")
    await written_orders.change(payment["orderId"], cancel_reason="changed my mind")
    refused(
        await api.post(f"{PATH}/{payment['id']}/refund", {"amountMinor": 1}),
        409,
        "order_not_refundable",
    )


async def test_money_of_an_order_nobody_knows_may_go_back(
    api: Api, service: Service, written_orders: WrittenOrders
) -> None:
    payment = await paid(api, written_orders, "confirmed")
    await written_orders.change(payment["orderId"], id=new_id())
    assert (await api.post(f"{PATH}/{payment['id']}/refund", {})).status == 201


async def test_a_request_that_was_let_through_is_answered_whatever_its_order_is_by_then(
    api: Api, written_orders: WrittenOrders
) -> None:
    payment = await paid(api, written_orders)
    path = f"{PATH}/{payment['id']}/refund"
    first = await api.post(path, {}, idempotency_key="all of it")
    for status in (*PAID, *ENDED):
        await written_orders.change(payment["orderId"], status=status)
        again = await api.post(path, {}, idempotency_key="all of it")
        assert (again.status, again.body) == (200, first.body)
        refused(
            await api.post(path, {"amountMinor": 1}, idempotency_key="all of it"),
            422,
            "idempotency_key_reused",
        )


async def test_without_orders_nothing_is_given_back(
    api: Api, service: Service, psp: Process, identities: Identities, written_orders: WrittenOrders
) -> None:
    payment = await paid(api, written_orders)
    urls = {"database_url": service.database, "psp_url": psp.url, "orders_url": NOWHERE}
    with running(
        "payments", identities, **urls, psp_secret=SECRET, call_backoff_seconds=0.01
    ) as process:
        async with Api.open(process.url, identities.person("operator")) as alone:
            answer = await alone.post(f"{PATH}/{payment['id']}/refund", {"amountMinor": 1})
        refused(answer, 503, "dependency_unavailable")
    assert (await api.get(f"{PATH}/{payment['id']}")).json["refunds"] == []


async def test_the_order_shows_what_was_given_back_and_why(
    api: Api, written_orders: WrittenOrders, identities: Identities
) -> None:
    payment = await paid(api, written_orders)
    for amount, reason in ((77, "scratched"), (3, "late")):
        body = {"amountMinor": amount, "reason": reason}
        assert (await api.post(f"{PATH}/{payment['id']}/refund", body)).status == 201
    path = f"/api/v1/orders/{payment['orderId']}"
    async with Api.open(
        written_orders.process.url, identities.person("customer", "CUST-001")
    ) as customer:

        async def shown() -> bool:
            return bool(
                (await customer.get(path)).json.get("refunded")
                == {"amountMinor": 80, "currency": "USD"}
            )

        await eventually(shown)
        order, entries = (
            (await customer.get(path)).json,
            (await customer.get(f"{path}/events")).json["events"],
        )
    assert order["status"] == "completed"
    told = sorted(
        (entry["type"], entry["refund"]["amount"]["amountMinor"], entry["refund"]["reason"])
        for entry in entries
    )
    assert told == [("order.refunded", 3, "late"), ("order.refunded", 77, "scratched")]


async def test_many_refunds_are_read_page_by_page(api: Api, written_orders: WrittenOrders) -> None:
    payment = await paid(api, written_orders)
    path = f"{PATH}/{payment['id']}"
    for _ in range(55):
        assert (await api.post(f"{path}/refund", {"amountMinor": 1})).status == 201
    for shown in (
        (await api.get(path)).json,
        (await api.get(f"{PATH}/order/{payment['orderId']}")).json,
    ):
        assert (len(shown["refunds"]), len(shown["history"])) == (50, 50)
        refunds = (await api.get(f"{path}/refunds?cursor={shown['refundsCursor']}")).json
        events = (await api.get(f"{path}/events?cursor={shown['historyCursor']}")).json
        assert (len(refunds["items"]), refunds["nextCursor"]) == (5, None)
        assert len({refund["id"] for refund in shown["refunds"] + refunds["items"]}) == 55
        assert [event["version"] for event in shown["history"] + events["items"]] == list(
            range(1, 57)
        )
        assert events["nextCursor"] is None
    assert (await api.get(f"{path}/refunds?limit=55")).json["nextCursor"] is None
    for bad in ("cursor=x", "limit=201"):
        assert [
            (await api.get(f"{path}/{what}?{bad}")).status for what in ("refunds", "events")
        ] == [400, 400]


async def test_the_refunds_of_another_customer_are_not_found(
    api: Api, service: Service, identities: Identities, written_orders: WrittenOrders
) -> None:
    payment = await paid(api, written_orders)
    for customer, status in (("CUST-001", 200), ("CUST-002", 404)):
        async with Api.open(service.process.url, identities.person("customer", customer)) as caller:
            for what in ("refunds", "events"):
                assert (await caller.get(f"{PATH}/{payment['id']}/{what}")).status == status


# --- while the order goes on


async def test_a_refund_that_was_checked_before_its_order_shipped_is_made(
    house: House, provider: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await house.buy()
    struck = once(
        monkeypatch, "payments.refund.checked", lambda: house.move(order, OrderStatus.COMPLETED)
    )
    assert (await house.refund(order, 1)).amount_minor == 1
    assert struck
    assert await house.told(order) == [
        *("order.created", "order.delayed", "order.confirmed", "order.processing", "order.shipped"),
        *("order.completed", "order.refunded"),
    ]
    assert await kept(provider, order) == (order.total_minor or 0) - 1


@pytest.mark.parametrize(
    "point", ["payments.refund.checked", "payments.refund.set_aside", "payments.refund.ended"]
)
async def test_an_order_that_is_cancelled_during_a_refund_gives_everything_back_once(
    house: House, provider: Api, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    order = await house.buy()
    struck = once(monkeypatch, point, lambda: house.cancel(order))
    code = await code_of(house.refund(order, 1))
    assert struck
    assert code == ("not_refundable" if point.endswith("checked") else "")
    assert await kept(provider, order) == 0
    assert await house.paid(order) is PaymentStatus.REFUNDED
    assert (await house.told(order))[-1] == "order.cancelled"
    assert await house.reserved() == 0


@pytest.mark.parametrize(
    "point", ["orders.claimed.confirmed", "saga.release_stock.done", "saga.void_payment.done"]
)
async def test_a_refund_during_a_cancellation_finds_what_is_left(
    house: House, provider: Api, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    order = await house.buy()
    codes: list[str] = []

    async def refund() -> None:
        codes.append(await code_of(house.refund(order, 1)))

    once(monkeypatch, point, refund)
    await house.cancel(order)
    assert codes == ["order_not_refundable"]
    assert await kept(provider, order) == 0
    assert (await house.told(order))[-1] == "order.cancelled"


async def test_what_the_cancellation_gave_back_is_not_told_as_a_refund_by_hand(
    house: House, provider: Api
) -> None:
    order = await house.buy()
    await house.refund(order, 1)
    assert "order.refunded" in await house.told(order)
    await house.cancel(order)
    history = await house.told(order)
    assert (history.count("order.refunded"), history[-1]) == (1, "order.cancelled")
    assert (await house.order(order.id)).refunded_minor == 1
    assert await kept(provider, order) == 0


async def test_an_order_that_is_told_a_refund_while_it_ships_goes_on_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await house.buy()
    await house.move(order, OrderStatus.PROCESSING)
    await house.refund(order, 1)
    once(monkeypatch, "orders.finishing", lambda: house.told(order))
    await code_of(
        house.orders.fulfilment.fulfil_until(
            order.id, version=None, target=OrderStatus.SHIPPED, deadline=Deadline.after(60)
        )
    )
    assert (await house.order(order.id)).status is OrderStatus.PROCESSING
    await house.orders.fulfilment.sweep(10, Deadline.after(60))
    assert (await house.order(order.id)).status is OrderStatus.SHIPPED
    assert (await house.order(order.id)).refunded_minor == 1


async def test_a_refund_that_orders_does_not_take_keeps_no_other_one_from_being_told(
    house: House,
) -> None:
    orders = [await house.buy() for _ in range(3)]
    for order in orders:
        await house.refund(order, 1)
    note = house.orders.refunds.note

    async def picky(asked: commands.NoteRefunds, deadline: Deadline) -> commands.RefundsNoted:
        if orders[1].id in {given.order_id for given in asked.commands}:
            raise Unacceptable("orders", 400, {})
        return await note(asked, deadline)

    house.peers.uses[commands.NOTE_REFUNDS] = picky
    assert await house.reports.report_due(10) == 3
    assert [(await house.order(order.id)).refunded_minor for order in orders] == [1, None, 1]


async def test_what_orders_could_not_be_told_is_told_later(house: House) -> None:
    order = await house.buy()
    await house.refund(order, 1)
    house.peers.away = {commands.NOTE_REFUNDS}
    assert await house.reports.report_due(10) == 1
    house.peers.away = set()
    assert await house.reports.report_due(10) == 0  # not due before its lease is over
    async with house.books.connection() as tx:
        await tx.execute("UPDATE refunds SET due_at = now() WHERE due_at IS NOT NULL")
    assert (await house.told(order))[-1] == "order.refunded"
    assert await house.reports.report_due(10) == 0
