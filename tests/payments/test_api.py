"""The service as clients use it: a real process, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import quote

import pytest

from tests.payments.conftest import NOWHERE, SECRET, charges, paid
from tests.support.api import Answer, Api
from tests.support.eventually import eventually
from tests.support.identities import Identities
from tests.support.orders import WrittenOrders
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, prepare
from valerix.contracts.commands import CAPTURE_PAYMENTS, VOID_PAYMENTS
from valerix.contracts.ids import new_id

PATH = "/api/v1/payments"


class Callers:
    """A service, and the clients of each caller."""

    def __init__(self, service: Process, identities: Identities) -> None:
        self.service = service
        self._identities = identities

    def operator(self) -> AbstractAsyncContextManager[Api]:
        return Api.open(self.service.url, self._identities.person("operator"))

    def orders(self) -> AbstractAsyncContextManager[Api]:
        return Api.open(self.service.url, self._identities.service("orders", "payments"))


def payments_service(
    database_url: str, psp: Process, orders: Process, identities: Identities
) -> Process:
    urls = {"psp_url": psp.url, "orders_url": orders.url}
    settings = {**urls, "psp_secret": SECRET, "provider_timeout_seconds": 2}
    return prepare("payments", identities, database_url=database_url, **settings)


@pytest.fixture(scope="module")
def service(
    postgres: PostgresServer, psp: Process, written_orders: WrittenOrders, identities: Identities
) -> Iterator[Process]:
    """A shared service: its tests read only what they created themselves."""
    name, url = postgres.fresh_database("payments")
    process = payments_service(url, psp, written_orders.process, identities).start()
    yield process
    process.kill()
    postgres.drop(name)


@pytest.fixture
async def api(service: Process, identities: Identities) -> AsyncIterator[Api]:
    """The service, called as an operator."""
    async with Callers(service, identities).operator() as opened:
        yield opened


@pytest.fixture
async def orders(service: Process, identities: Identities) -> AsyncIterator[Api]:
    """The service, called as the orders service."""
    async with Callers(service, identities).orders() as opened:
        yield opened


@pytest.fixture
def own(
    database_url: Callable[[str], str],
    psp: Process,
    written_orders: WrittenOrders,
    identities: Identities,
) -> Iterator[Callers]:
    """A service for one test, for tests that kill it or count everything."""
    process = payments_service(database_url("payments"), psp, written_orders.process, identities)
    yield Callers(process.start(), identities)
    process.kill()


def body(**changes: Any) -> dict[str, Any]:
    """A capture for an order that does not exist."""
    amount = {"amountMinor": 1000, "currency": "USD"}
    return {
        "orderId": new_id(),
        "customerId": "CUST-001",
        "amount": amount,
        "method": "card_ok",
    } | changes


async def capture(
    orders: Api, *order_ids: str, method: str = "card_ok", wait_ms: int = 8000
) -> list[Any]:
    commands = [
        {
            "orderId": o,
            "customerId": "CUST-001",
            "amountMinor": 1000,
            "currency": "USD",
            "method": method,
        }
        for o in order_ids
    ]
    answer = await orders.post(CAPTURE_PAYMENTS, {"commands": commands, "patienceMs": wait_ms})
    assert answer.status == 200, answer.body
    outcomes: list[Any] = answer.json["outcomes"]
    return outcomes


async def test_a_payment_is_captured_once_and_shown_with_its_history(
    api: Api, written_orders: WrittenOrders
) -> None:
    wanted = await written_orders.charge()
    first, second = await api.post(PATH, wanted), await api.post(PATH, wanted)
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert first.headers["location"] == f"{PATH}/{first.json['id']}"
    by_id = await api.get(f"{PATH}/{first.json['id']}")
    by_order = await api.get(f"{PATH}/order/{wanted['orderId']}")
    assert by_id.json == by_order.json
    assert by_id.json["captured"] == {"amountMinor": 1000, "currency": "USD"}
    assert [(e["version"], e["type"]) for e in by_id.json["history"]] == [(1, "payment.captured")]
    assert by_id.json["history"][0]["traceId"] == first.headers["trace-id"]


async def test_answers_say_how_it_went(
    api: Api, orders: Api, written_orders: WrittenOrders
) -> None:
    declined = await api.post(PATH, await written_orders.charge(payment_method="card_declined"))
    assert (declined.status, declined.json["code"], declined.json["reason"]) == (
        402,
        "payment_declined",
        "card_declined",
    )
    paid = await written_orders.charge()
    await api.post(PATH, paid)
    await written_orders.change(paid["orderId"], status="confirmed")
    other = await api.post(PATH, paid | {"method": "visa"})
    assert (other.status, other.json["code"]) == (409, "payment_mismatch")
    cancelled = await written_orders.charge()
    await orders.post(
        VOID_PAYMENTS, {"commands": [{"orderId": cancelled["orderId"], "reason": "cancelled"}]}
    )
    late = await api.post(PATH, cancelled)
    assert (late.status, late.json["code"]) == (409, "payment_voided")


async def test_a_slow_provider_is_answered_202_and_looked_after(api: Api, orders: Api) -> None:
    order_id = new_id()
    (outcome,) = await capture(orders, order_id, method="card_timeout", wait_ms=0)
    assert outcome["status"] == "processing"

    async def settled() -> bool:
        return bool((await api.get(f"{PATH}/order/{order_id}")).json["status"] == "captured")

    assert await eventually(settled)


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"method": "barter"}, {"/method"}),
        ({"orderId": "1", "customerId": ""}, {"/orderId", "/customerId"}),
        ({"customerId": "x" * 51}, {"/customerId"}),
        (
            {"amount": {"amountMinor": 0, "currency": "usd"}},
            {"/amount/amountMinor", "/amount/currency"},
        ),
        ({"amount": {"amountMinor": "1000", "currency": "USD"}}, {"/amount/amountMinor"}),
        ({"surprise": 1}, {"/surprise"}),
    ],
)
async def test_bad_bodies_are_named_field_by_field_and_write_nothing(
    api: Api, changes: dict[str, Any], pointers: set[str]
) -> None:
    before = (await api.get(PATH)).json["items"]
    answer = await api.post(PATH, body(**changes))
    assert answer.status == 400
    assert {e["pointer"] for e in answer.json["errors"]} == pointers
    assert (await api.get(PATH)).json["items"] == before


async def test_customers_see_their_own_payments_and_no_others(
    api: Api, written_orders: WrittenOrders, identities: Identities
) -> None:
    payment = (await api.post(PATH, await written_orders.charge(customer_id="CUST-001"))).json
    own, other = (
        identities.person("customer", "CUST-001"),
        identities.person("customer", "CUST-002"),
    )
    nobody = identities.person("customer")
    for path in (f"{PATH}/{payment['id']}", f"{PATH}/order/{payment['orderId']}"):
        assert (await api.get(path, token=own)).status == 200
        assert (await api.get(path, token=other)).status == 404
        assert (await api.get(path, token=nobody)).status == 404


async def test_only_staff_may_capture_refund_and_search(
    api: Api, service: Process, written_orders: WrittenOrders, identities: Identities
) -> None:
    payment = await paid(api, written_orders)
    customer, orders = (
        identities.person("customer", "CUST-001"),
        identities.service("orders", "payments"),
    )

    async def statuses(token: str | None) -> list[int]:
        async with Api.open(service.url, token) as caller:
            answers = [
                await caller.post(PATH, await written_orders.charge()),
                await caller.post(f"{PATH}/{payment['id']}/refund", {"amountMinor": 1}),
                await caller.get(PATH),
                await caller.get(f"{PATH}/{payment['id']}"),
                await caller.post(CAPTURE_PAYMENTS, {"commands": []}),
                await caller.post(VOID_PAYMENTS, {"commands": []}),
            ]
            return [a.status for a in answers]

    assert await statuses(None) == [401] * 6
    assert await statuses(customer) == [403, 403, 403, 200, 403, 403]
    assert await statuses(identities.person("admin")) == [201, 201, 200, 200, 403, 403]
    assert await statuses(orders) == [403, 403, 403, 403, 200, 200]
    assert await statuses(identities.service("console", "payments")) == [403] * 6


@pytest.mark.parametrize("payment_id", ["nothing", "", "%27", "0" * 36])
async def test_an_id_that_is_none_is_not_found(api: Api, payment_id: str) -> None:
    assert (await api.get(f"{PATH}/{payment_id}x")).status == 404
    assert (await api.get(f"{PATH}/{new_id()}")).status == 404
    assert (await api.get(f"{PATH}/order/{new_id()}")).status == 404


async def test_refunds_honour_their_key(api: Api, written_orders: WrittenOrders) -> None:
    payment = await paid(api, written_orders)
    path = f"{PATH}/{payment['id']}/refund"

    async def refund(amount: int, key: str) -> Answer:
        return await api.post(
            path, {"amountMinor": amount, "reason": "broken"}, idempotency_key=key
        )

    first, quoted = await refund(300, "k"), await refund(300, '"k"')
    assert (first.status, quoted.status) == (201, 200)
    assert (first.body, quoted.headers["idempotent-replayed"]) == (quoted.body, "true")
    assert ((await refund(301, "k")).status, (await refund(301, "k")).json["code"]) == (
        422,
        "idempotency_key_reused",
    )
    assert (await refund(300, "")).status == 400
    too_much = await refund(701, "k2")
    assert (too_much.status, too_much.json["refundableMinor"]) == (422, 700)
    assert (await api.post(path, {})).json["amountMinor"] == 700
    assert (await api.post(path, {})).status == 409
    detail = (await api.get(f"{PATH}/{payment['id']}")).json
    assert (detail["status"], detail["refunded"]["amountMinor"], len(detail["refunds"])) == (
        "refunded",
        1000,
        2,
    )


@pytest.mark.parametrize(
    "bad", [{"amountMinor": 0}, {"amountMinor": -1}, {"amountMinor": "1"}, {"amount": 1}]
)
async def test_bad_refunds_are_refused(
    api: Api, written_orders: WrittenOrders, bad: dict[str, Any]
) -> None:
    payment = (await api.post(PATH, await written_orders.charge())).json
    assert (await api.post(f"{PATH}/{payment['id']}/refund", bad)).status == 400


async def test_search_filters_and_pages_without_losing_or_repeating(own: Callers) -> None:
    async with own.operator() as api, own.orders() as orders:
        await _search(api, orders)


async def _search(api: Api, orders: Api) -> None:
    ids = [new_id() for _ in range(7)]
    await capture(orders, *ids)
    declined = (await capture(orders, new_id(), method="card_declined"))[0]["paymentId"]
    seen: list[str] = []
    cursor = ""
    while True:
        answer = (await api.get(f"{PATH}?limit=3{cursor}")).json
        seen += [item["id"] for item in answer["items"]]
        if answer["nextCursor"] is None:
            break
        cursor = f"&cursor={answer['nextCursor']}"
    assert len(seen) == len(set(seen)) == 8
    assert seen == sorted(seen, reverse=True)

    async def found(query: str) -> list[str]:
        return [item["id"] for item in (await api.get(f"{PATH}?{query}")).json["items"]]

    assert await found("status=declined") == await found("method=card_declined") == [declined]
    assert len(await found(f"orderId={ids[0]}")) == 1
    assert len(await found("customerId=CUST-001&status=captured")) == 7
    assert await found("customerId=CUST-002") == []
    assert (
        await found(f"q={declined}")
        == await found(f"q={declined[:13]}…{declined[-6:]}")
        == [declined]
    )
    assert await found(f"q={declined[-12:]}") == await found(f"q=…{declined[-12:]}") == [declined]
    assert await found(f"q={ids[0]}") == await found(f"orderId={ids[0]}")
    assert len(await found("q=cust-001")) == 8
    assert await found("from=2100-01-01T00:00:00Z") == await found("to=2020-01-01T00:00:00Z") == []
    assert len(await found("from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z")) == 8


async def test_a_payment_is_found_by_the_last_digits_of_its_order(
    api: Api, written_orders: WrittenOrders
) -> None:
    wanted = await written_orders.charge()
    payment = (await api.post(PATH, wanted)).json
    for digits in (wanted["orderId"][-12:], f"…{wanted['orderId'][-12:]}", wanted["orderId"][-8:]):
        assert (await api.get(f"{PATH}?q={quote(digits)}")).json["items"] == [payment]


async def test_a_payment_that_is_not_decided_is_found_by_its_last_digits(
    api: Api, orders: Api
) -> None:
    """It has no history yet."""
    (outcome,) = await capture(orders, new_id(), method="card_timeout", wait_ms=0)
    assert outcome["status"] == "processing"
    (found,) = (await api.get(f"{PATH}?q={outcome['paymentId'][-12:]}")).json["items"]
    assert found["id"] == outcome["paymentId"]


@pytest.mark.parametrize(
    "query", ["status=lost", "method=barter", "cursor=xyz", "limit=0", "limit=201", "from=soon"]
)
async def test_bad_searches_are_refused(api: Api, query: str) -> None:
    answer = await api.get(f"{PATH}?{query}")
    assert answer.status == 400
    assert answer.json["errors"][0]["pointer"] == "/" + query.partition("=")[0]


async def test_kills_under_load_lose_nothing_and_charge_nothing_twice(
    own: Callers, provider: Api
) -> None:
    async with own.orders() as orders:
        await _kills_under_load(own.service, orders, provider)


async def _kills_under_load(service: Process, orders: Api, provider: Api) -> None:
    order_ids = [new_id() for _ in range(300)]

    async def insist(order_id: str) -> str:
        while True:
            try:
                (outcome,) = await capture(
                    orders, order_id, method="card_flaky" if order_id[-1] < "4" else "visa"
                )
            except Exception:
                await asyncio.sleep(0.05)
                continue
            if outcome["status"] != "processing":
                return str(outcome["status"])

    async def kill() -> None:
        for _ in range(2):
            await asyncio.sleep(0.3)
            service.kill()
            await asyncio.to_thread(service.start)

    killer = asyncio.create_task(kill())
    limit = asyncio.Semaphore(16)

    async def shop(order_id: str) -> str:
        async with limit:
            return await insist(order_id)

    assert set(await asyncio.gather(*map(shop, order_ids))) == {"captured"}
    await killer
    assert [c["captures"] for c in await charges(provider, *order_ids[:150])] == [1] * 150
    assert [c["captures"] for c in await charges(provider, *order_ids[150:])] == [1] * 150


async def test_metrics_count_what_happened(own: Callers, written_orders: WrittenOrders) -> None:
    async with own.operator() as api:
        await _metrics(api, written_orders)


async def _metrics(api: Api, written_orders: WrittenOrders) -> None:
    payment = await paid(api, written_orders)
    await api.post(PATH, await written_orders.charge(payment_method="card_declined"))
    await api.post(f"{PATH}/{payment['id']}/refund", {"amountMinor": 1})
    text = (await api.get("/metrics")).body.decode()
    assert 'payments_processed_total{method="card_ok",status="captured"} 1.0' in text
    assert 'payments_processed_total{method="card_declined",status="declined"} 1.0' in text
    assert 'payment_amount_total{currency="USD"} 1000.0' in text
    assert "refunds_processed_total 1.0" in text
    assert "payment_gateway_latency_seconds_count 3.0" in text


async def test_it_is_ready_without_the_provider_and_says_so_when_asked_deeply(
    database_url: Callable[[str], str], identities: Identities
) -> None:
    urls = {"database_url": database_url("payments"), "psp_url": NOWHERE, "orders_url": NOWHERE}
    settings = {**urls, "psp_secret": SECRET}
    process = prepare("payments", identities, **settings).start()
    try:
        async with Api.open(process.url) as api:
            deep = await api.get("/health/deep")
            assert deep.status == 503
            assert [deep.json["checks"][name]["status"] for name in ("psp", "orders")] == [
                "failed",
                "failed",
            ]
    finally:
        process.kill()
