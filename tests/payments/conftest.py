"""Payments on a real database against a real provider process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.orders import WrittenOrders
from tests.support.processes import Process
from tests.support.provider import SECRET as SECRET
from valerix.chassis.base.deadline import Deadline
from valerix.chassis.base.timeouts import Timeouts
from valerix.chassis.calls.client import HttpClient
from valerix.chassis.calls.policy import Policy
from valerix.chassis.postgres.database import Database
from valerix.contracts.commands import (
    CapturePayment,
    CapturePayments,
    PaymentOutcome,
    VoidPayment,
    VoidPayments,
)
from valerix.contracts.ids import new_id
from valerix.payments.composition import connect
from valerix.payments.domain import Payment, Refund
from valerix.payments.provider import Provider
from valerix.payments.refunds import RefundRequest
from valerix.payments.use_cases import Detail, PaymentsUseCases

NOWHERE = "http://127.0.0.1:9"
"""The discard port: no process listens there."""


class Payments:
    """One payments "process" inside the test, and the means of tests to call it."""

    def __init__(self, use_cases: PaymentsUseCases, database: Database) -> None:
        self.use_cases = use_cases
        self.database = database

    async def capture(
        self, *commands: CapturePayment, wait_ms: int = 25_000
    ) -> list[PaymentOutcome]:
        request = CapturePayments(list(commands), wait_ms)
        return (await self.use_cases.capture(request, Deadline.after(30))).outcomes

    async def capture_one(self, command: CapturePayment, wait_ms: int = 25_000) -> PaymentOutcome:
        return (await self.capture(command, wait_ms=wait_ms))[0]

    async def void(self, *order_ids: str) -> list[str]:
        request = VoidPayments([VoidPayment(order_id, "test") for order_id in order_ids])
        return [o.status for o in (await self.use_cases.void(request, Deadline.after(30))).outcomes]

    async def refund(
        self,
        payment_id: str,
        amount: int | None,
        key: bytes | None = None,
        fingerprint: bytes = b"",
        wait: float = 30.0,
    ) -> Refund:
        request = RefundRequest(payment_id, amount, "test", key, fingerprint)
        return (await self.use_cases.refunds.refund(request, wait))[0]

    async def detail(self, order_id: str) -> Detail:
        return await self.use_cases.get_of_order(order_id, None)

    async def payment(self, order_id: str) -> Payment:
        return (await self.detail(order_id)).payment

    async def is_(self, order_id: str, *statuses: str) -> bool:
        return (await self.payment(order_id)).status in statuses

    async def close(self) -> None:
        """Stop as a crash does: the background work is gone, the rows stay."""
        await self.use_cases.close()


OpenPayments = Callable[..., Awaitable[Payments]]


def command(
    method: str = "card_ok", amount: int = 1000, order_id: str | None = None
) -> CapturePayment:
    return CapturePayment(order_id or new_id(), "CUST-001", amount, "USD", method)


async def paid(
    api: Api, written_orders: WrittenOrders, status: str = "completed"
) -> dict[str, Any]:
    """The payment of a new order, brought to `status`."""
    body = await written_orders.charge()
    payment: dict[str, Any] = (await api.post("/api/v1/payments", body)).json
    await written_orders.change(body["orderId"], status=status)
    return payment


async def charges(provider: Api, *order_ids: str) -> list[dict[str, Any]]:
    """The entries of the provider's ledger for those of the orders that it knows."""
    answer = await provider.post(
        "/v1/charges/find", {"references": [f"order-{order_id}" for order_id in order_ids]}
    )
    found: list[dict[str, Any]] = answer.json["charges"]
    return found


@pytest.fixture
async def provider(psp: Process) -> AsyncIterator[Api]:
    async with Api.open(psp.url, SECRET) as api:
        yield api


@pytest.fixture
async def mortal_provider(mortal_psp: Process) -> AsyncIterator[Api]:
    async with Api.open(mortal_psp.url, SECRET) as api:
        yield api


@pytest.fixture
async def open_payments(database_url: Callable[[str], str]) -> AsyncIterator[OpenPayments]:
    """`await open_payments(psp_url)`: another payments "process" on the database of the test."""
    url = database_url("payments")
    async with AsyncExitStack() as stack:

        async def fresh(
            psp_url: str, *, timeout: float = 5.0, lease_seconds: float = 10.0, secret: str = SECRET
        ) -> Payments:
            database = await stack.enter_async_context(Database.open(url, 4))
            headers = {"authorization": f"Bearer {secret}"}
            client = await stack.enter_async_context(
                HttpClient.open(
                    "psp", [psp_url], Policy(timeout_seconds=timeout, retries=0), headers=headers
                )
            )
            use_cases = connect(
                database, Provider(client), Timeouts(step_lease_seconds=lease_seconds)
            )
            stack.push_async_callback(use_cases.close)
            return Payments(use_cases, database)

        yield fresh


@pytest.fixture
async def payments(open_payments: OpenPayments, psp: Process) -> Payments:
    return await open_payments(psp.url)
