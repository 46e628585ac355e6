"""A charge belongs to an order: by hand, payments charges what the order owes according to orders,
and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from tests.payments.conftest import NOWHERE, SECRET, charges
from tests.support.api import Answer, Api
from tests.support.identities import Identities
from tests.support.orders import WrittenOrders
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.calls.client import CallFailed, NotSent, OutcomeUnknown, Refused
from valerix.contracts.ids import new_id
from valerix.contracts.roles import ServiceName
from valerix.inventory import orders as inventory_orders
from valerix.payments.orders import get_order

PATH = "/api/v1/payments"
UNPAID = [
    ({"status": "failed"}, "The order is failed; only pending orders can be paid"),
    ({"status": "cancelled"}, "The order is cancelled; only pending orders can be paid"),
    ({"cancel_reason": "changed my mind"}, "The order is being cancelled"),
    (
        {"currency": None, "total_minor": None},
        "The order has no price until stock is reserved for it",
    ),
    ({"total_minor": 0}, "The order owes nothing"),
    ({"status": "confirmed"}, "The order owes nothing"),  # confirmed without a charge
]


class Service:
    """A payments service with its database."""

    def __init__(self, process: Process, database: str) -> None:
        self.process = process
        self.database = database

    async def rows(self, table: str) -> int:
        count = f"SELECT count(*) FROM {table}"  # noqa: S608 - own names
        connection = await asyncpg.connect(self.database)
        try:
            return int(await connection.fetchval(count))
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def service(
    postgres: PostgresServer, psp: Process, written_orders: WrittenOrders, identities: Identities
) -> Iterator[Service]:
    name, url = postgres.fresh_database("payments")
    urls = {"database_url": url, "psp_url": psp.url, "orders_url": written_orders.process.url}
    with running("payments", identities, **urls, psp_secret=SECRET) as process:
        yield Service(process, url)
    postgres.drop(name)


@pytest.fixture
async def api(service: Service, identities: Identities) -> AsyncIterator[Api]:
    """The service, called as an operator."""
    async with Api.open(
        service.process.url, identities.person("operator", subject="olga")
    ) as opened:
        yield opened


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json
    assert (answer.status, problem["code"]) == (status, code), answer.body
    return problem


async def untouched(api: Api, provider: Api, order_id: str) -> bool:
    """Whether no money was taken, and the books have no entry."""
    known = (await api.get(f"{PATH}/order/{order_id}")).status
    return known == 404 and await charges(provider, order_id) == []


async def test_an_order_that_does_not_exist_is_not_charged(api: Api, provider: Api) -> None:
    amount = {"amountMinor": 10**12, "currency": "ZZZ"}
    body = {"orderId": new_id(), "customerId": "NOBODY", "amount": amount, "method": "card_ok"}
    refused(await api.post(PATH, body), 404, "order_not_found")
    assert await untouched(api, provider, str(body["orderId"]))


@pytest.mark.parametrize(("columns", "detail"), UNPAID)
async def test_an_order_in_another_state_is_not_charged(
    api: Api, provider: Api, written_orders: WrittenOrders, columns: dict[str, Any], detail: str
) -> None:
    body = await written_orders.charge() | {"orderId": await written_orders.write(**columns)}
    problem = refused(await api.post(PATH, body), 409, "order_not_payable")
    assert (problem["detail"], problem["orderStatus"]) == (detail, columns.get("status", "pending"))
    assert await untouched(api, provider, body["orderId"])


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"customerId": "CUST-002"}, ["/customerId"]),
        ({"customerId": "NOBODY"}, ["/customerId"]),
        ({"amount": {"amountMinor": 999, "currency": "USD"}}, ["/amount/amountMinor"]),
        (
            {"amount": {"amountMinor": 10**12, "currency": "ZZZ"}},
            ["/amount/amountMinor", "/amount/currency"],
        ),
        ({"method": "visa"}, ["/method"]),
    ],
)
async def test_a_charge_that_is_not_the_orders_own_is_refused_field_by_field(
    api: Api,
    provider: Api,
    written_orders: WrittenOrders,
    changes: dict[str, Any],
    pointers: list[str],
) -> None:
    body = await written_orders.charge() | changes
    problem = refused(await api.post(PATH, body), 422, "charge_not_owed")
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert await untouched(api, provider, body["orderId"])


async def test_a_failed_order_of_another_customer_is_not_charged(
    api: Api, provider: Api, written_orders: WrittenOrders
) -> None:
    failed = await written_orders.charge(status="failed", customer_id="CUST-002")
    amount = {"amountMinor": 10**12, "currency": "ZZZ"}
    refused(
        await api.post(PATH, failed | {"customerId": "CUST-001", "amount": amount}),
        409,
        "order_not_payable",
    )
    assert await untouched(api, provider, failed["orderId"])


@pytest.mark.parametrize("status", ["pending", "confirmed", "processing", "shipped", "completed"])
async def test_an_order_that_was_paid_keeps_its_payment(
    api: Api, provider: Api, written_orders: WrittenOrders, status: str
) -> None:
    body = await written_orders.charge()
    first = await api.post(PATH, body)
    await written_orders.change(body["orderId"], status=status)
    again = await api.post(PATH, body)
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    assert [c["captures"] for c in await charges(provider, body["orderId"])] == [1]


async def test_a_payment_that_was_given_back_is_not_made_again(
    api: Api, provider: Api, written_orders: WrittenOrders
) -> None:
    body = await written_orders.charge()
    payment = (await api.post(PATH, body)).json
    await written_orders.change(body["orderId"], status="completed")
    assert (await api.post(f"{PATH}/{payment['id']}/refund", {})).status == 201
    again = await api.post(PATH, body)
    assert (again.status, again.json["status"]) == (200, "refunded")
    assert [c["captures"] for c in await charges(provider, body["orderId"])] == [1]


async def test_a_service_charges_nothing_by_the_public_route(
    service: Service, identities: Identities, provider: Api, written_orders: WrittenOrders
) -> None:
    body = await written_orders.charge()
    for name in ServiceName:
        async with Api.open(service.process.url, identities.service(name, "payments")) as caller:
            refused(await caller.post(PATH, body), 403, "forbidden")
    assert await charges(provider, body["orderId"]) == []


async def test_without_orders_nothing_is_charged(
    service: Service,
    psp: Process,
    postgres: PostgresServer,
    identities: Identities,
    written_orders: WrittenOrders,
) -> None:
    name, url = postgres.fresh_database("payments")
    urls = {"database_url": url, "psp_url": psp.url, "orders_url": NOWHERE}
    with running(
        "payments", identities, **urls, psp_secret=SECRET, call_backoff_seconds=0.01
    ) as process:
        alone = Service(process, url)
        async with Api.open(process.url, identities.person("operator")) as operator:
            answer = await operator.post(
                PATH, await written_orders.charge(), idempotency_key="kept by nobody"
            )
        refused(answer, 503, "dependency_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert (await alone.rows("payments"), await alone.rows("capture_keys")) == (0, 0)
    postgres.drop(name)


@pytest.mark.parametrize(
    "failure", [OutcomeUnknown("orders", "lost"), Refused("orders", 404, {})], ids=["lost", "old"]
)
@pytest.mark.parametrize(
    "ask", [get_order, inventory_orders.get_order], ids=["payments", "inventory"]
)
async def test_whatever_becomes_of_the_question_nothing_was_done(
    ask: Any, failure: CallFailed
) -> None:
    class Failing:
        async def post(self, *_: object, **__: object) -> None:
            raise failure

    with pytest.raises(NotSent):
        await ask(Failing(), new_id(), Deadline.after(1))


# --- under a key


async def test_a_key_answers_with_its_payment_and_refuses_another_body(
    api: Api, provider: Api, written_orders: WrittenOrders
) -> None:
    body, other = await written_orders.charge(), await written_orders.charge()
    first = await api.post(PATH, body, idempotency_key="k")
    await written_orders.change(body["orderId"], status="cancelled")  # a replay queries no order
    again = await api.post(PATH, dict(reversed(body.items())), idempotency_key='"k"')
    assert (first.status, again.status, first.body) == (201, 200, again.body)
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (
        False,
        "true",
    )
    refused(await api.post(PATH, other, idempotency_key="k"), 422, "idempotency_key_reused")
    assert await untouched(api, provider, other["orderId"])
    assert (await api.post(PATH, other, idempotency_key="")).status == 400


async def test_a_key_belongs_to_one_caller(
    api: Api, identities: Identities, written_orders: WrittenOrders
) -> None:
    token = identities.person("operator", subject="oscar")
    assert (
        await api.post(PATH, await written_orders.charge(), idempotency_key="mine")
    ).status == 201
    assert (
        await api.post(PATH, await written_orders.charge(), token=token, idempotency_key="mine")
    ).status == 201


async def test_a_refused_request_does_not_use_its_key_up(
    api: Api, written_orders: WrittenOrders
) -> None:
    body = await written_orders.charge(currency=None, total_minor=None)
    body["amount"] = {"amountMinor": 1000, "currency": "USD"}
    refused(await api.post(PATH, body, idempotency_key="early"), 409, "order_not_payable")
    await written_orders.change(body["orderId"], total_minor=1000, currency="USD")
    answer = await api.post(PATH, body, idempotency_key="early")
    assert (answer.status, "idempotent-replayed" in answer.headers) == (201, False)


async def test_a_decline_is_replayed_as_a_decline(api: Api, written_orders: WrittenOrders) -> None:
    body = await written_orders.charge(payment_method="card_declined")
    first, again = [await api.post(PATH, body, idempotency_key="declined") for _ in range(2)]
    assert (first.status, again.status) == (402, 402)
    assert first.json["paymentId"] == again.json["paymentId"]


async def test_a_key_of_an_order_that_was_paid_before_is_kept_too(
    api: Api, written_orders: WrittenOrders
) -> None:
    body, other = await written_orders.charge(), await written_orders.charge()
    await api.post(PATH, body)
    await written_orders.change(body["orderId"], status="confirmed")
    assert (await api.post(PATH, body, idempotency_key="late")).status == 200
    refused(await api.post(PATH, other, idempotency_key="late"), 422, "idempotency_key_reused")


async def test_many_at_once_under_one_key_are_one_payment(
    api: Api, provider: Api, written_orders: WrittenOrders
) -> None:
    body = await written_orders.charge()
    answers = await asyncio.gather(
        *(api.post(PATH, body, idempotency_key="crowd") for _ in range(20))
    )
    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
    assert len({answer.body for answer in answers}) == 1
    assert [c["captures"] for c in await charges(provider, body["orderId"])] == [1]


async def test_bodies_that_race_for_one_key_are_one_charge(
    api: Api, provider: Api, written_orders: WrittenOrders
) -> None:
    bodies = [await written_orders.charge() for _ in range(10)]
    answers = await asyncio.gather(
        *(api.post(PATH, body, idempotency_key="race") for body in bodies)
    )
    assert sorted(answer.status for answer in answers) == [201] + [422] * 9
    assert len(await charges(provider, *(body["orderId"] for body in bodies))) == 1
