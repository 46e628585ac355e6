"""Creates data of every kind with this version, leaves work of every kind open, and saves it all.

In a checkout of the version to record: `python -m tests.upgrade.record FOLDER`. It takes a minute.

`story.json` has every request with the status of its answer (0: no answer) and, if definite, the
answer to its repetition; the final state of each order; the sent and the queued messages.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pyreqwest.exceptions import RequestError

from tests.support import reaper
from tests.support.api import Api
from tests.support.cookies import Browser
from tests.support.eventually import eventually, until, until_blocking
from tests.support.folders import empty_folder
from tests.support.mail import Mailbox, mail_server
from tests.support.stack import ADA, GRACE, OPERATOR, Stack, new_product
from tests.system.test_chaos import ADMIN
from tests.system.test_events import quiet
from tests.upgrade import snapshot
from tests.upgrade.recorder import FEW, FREE, ORDERS, PLENTY, Recorder
from valerix.launcher.state import read_state

KILLED: Final = (
    "orders.accepted",
    "saga.reserve_stock.done",
    "saga.charge.done",
    "orders.finishing",
    "orders.finished",
)
"""Points between two steps of placing an order."""
CAUSE: Final = (
    "ALTER TABLE customers_seen ADD CONSTRAINT cause CHECK (customer_id <> 'CUST-008') NOT VALID"
)
MENDED: Final = "ALTER TABLE customers_seen DROP CONSTRAINT cause"


# --- finished work


async def finished_work(recorder: Recorder) -> None:
    """Creates orders with definite answers; only those for missing goods and the warehouse wait."""
    stack, ask, order = recorder.stack, recorder.ask, recorder.order
    async with stack.api(OPERATOR) as operator:
        await new_product(operator, PLENTY, 1000, price=1250)
        await new_product(operator, FEW, 2, price=990)
        await new_product(operator, FREE, 10, price=0)
    received = {"productId": PLENTY, "warehouseId": "WH-EAST", "delta": 50, "reason": "received"}
    await ask(
        "adjusted",
        OPERATOR,
        "POST",
        "/api/v1/inventory/adjust",
        received | {"idempotencyKey": "adjusted"},
        key=False,
    )
    taken = {"productId": PLENTY, "quantity": -3, "idempotencyKey": "taken"}
    await ask("taken", OPERATOR, "POST", "/api/v1/inventory/update", taken, key=False)

    lines = [{"productId": PLENTY, "quantity": 2}, {"productId": "PROD-007", "quantity": 1}]
    address = {
        "name": "Ada Lovelace",
        "street": "12 St James's Square",
        "city": "London",
        "country": "GB",
    }
    await order("confirmed", end="completed", items=lines, shippingAddress=address)
    await order("of another customer", end="completed", email=GRACE)
    await order("free", FREE, end="completed")
    await order("declined", end="failed", paymentMethod="card_declined")
    await order("short", FEW, 3, end="failed", onShortage="reject")
    await order("unknown product", "OLD-NEVER", end="failed")
    await order("suspended customer", end="failed", email=OPERATOR, customerId="CUST-010")
    await order("held", FEW, 4, end="cancelled", onShortage="hold")
    await order("backorder", FEW, 3, end="completed", onShortage="backorder")
    await recorder.act(ADA, "DELETE", f"{ORDERS}/{await order('cancelled', end='cancelled')}")
    for name, status in (
        ("told twice", "processing"),
        ("packed", "processing"),
        ("shipped", "shipped"),
    ):
        path = f"{ORDERS}/{await order(name, end='completed')}"
        await recorder.act(OPERATOR, "PUT", path, {"status": status})
    path = f"{ORDERS}/{await order('completed', end='completed')}"
    await recorder.act(OPERATOR, "PUT", path, {"status": "completed"})
    payment = (
        await recorder.act(OPERATOR, "GET", f"/api/v1/payments/order/{path.rpartition('/')[2]}")
    ).json
    refund = {"amountMinor": 250, "reason": "scratched"}
    await ask(
        "refunded in part", OPERATOR, "POST", f"/api/v1/payments/{payment['id']}/refund", refund
    )

    charge = {name: payment[name] for name in ("orderId", "customerId", "method", "amount")}
    charged = await ask(
        "charged again by hand", OPERATOR, "POST", "/api/v1/payments", charge, key=False
    )
    await ask(
        "refunded",
        OPERATOR,
        "POST",
        f"/api/v1/payments/{charged.json['id']}/refund",
        {"reason": "by hand"},
    )
    text = {"customerId": "CUST-002", "channel": "sms", "body": "Your parcel is at the desk"}
    await ask("text message", OPERATOR, "POST", "/api/v1/notifications/send", text)
    await quiet(stack)
    await recorder.ask_again(*{asked["status"] for asked in recorder.requests})


async def people(recorder: Recorder) -> dict[str, Any]:
    """Creates accounts, sessions and a customer's dead letter; returns the data for the test."""
    stack = recorder.stack
    async with Api.open(stack.url) as guest:
        someone = {"email": "edsger@demo.valerix.example", "password": stack.secret("demo")}
        sign_in = [await guest.post("/api/v1/users/login", someone) for _ in range(2)]
        await Browser(guest).sign_in(GRACE, stack.secret("demo"))
        refreshed = await guest.post(
            "/api/v1/users/refresh", {"refreshToken": sign_in[0].json["refreshToken"]}
        )
        assert refreshed.status == 200
        await guest.call("POST", "/api/v1/users/logout", token=sign_in[1].json["accessToken"])
        await _register(guest, "first", stack.secret("demo"))
    edsger = sign_in[0].json["user"]
    mine = "SELECT id::text FROM sessions WHERE user_id::text = $1 AND {} ORDER BY id"
    (live,) = await stack.rows("users", mine.format("revoked_at IS NULL"), edsger["id"])
    (ended,) = await stack.rows("users", mine.format("revoked_at IS NOT NULL"), edsger["id"])

    await stack.rows("orders", CAUSE)
    (tony,) = await stack.rows("users", "SELECT id FROM users WHERE customer_number = 'CUST-008'")
    await recorder.act(ADMIN, "PUT", f"/api/v1/users/{tony['id']}/status", {"status": "suspended"})

    async def dead() -> list[dict[str, Any]]:
        return await stack.rows("orders", "SELECT id FROM dead_letters")

    (letter,) = await eventually(dead)
    await stack.rows("orders", MENDED)
    return {"liveSession": live["id"], "endedSession": ended["id"], "deadLetter": letter["id"]}


async def _register(guest: Api, name: str, password: str) -> None:
    body = {
        "name": f"The {name} to register",
        "email": f"{name}@demo.valerix.example",
        "password": password,
    }
    answer = await guest.post("/api/v1/users/register", body)
    assert answer.status == 201, answer.body


# --- open work


async def told_twice(recorder: Recorder, mailbox: Mailbox) -> None:
    """Stops the relays of orders and users between publishing and deleting, from here on.

    Events published so far were consumed and will come again; later ones stay in the outbox.
    """
    stack = recorder.stack
    for service in ("orders", "worker", "users"):
        await recorder.hang(service, "relay.published", times=1000)
    async with Api.open(stack.url) as guest:
        await _register(guest, "second", stack.secret("demo"))
    sent = recorder.ids["told twice"]
    await recorder.act(OPERATOR, "PUT", f"{ORDERS}/{sent}", {"status": "shipped"})
    await until(
        lambda: any(
            sent in mail["Subject"] and "on its way" in mail["Subject"] for mail in mailbox.messages
        )
    )

    async def known() -> list[dict[str, Any]]:
        return await stack.rows(
            "notifications", "SELECT 1 FROM contacts WHERE email LIKE 'second@%'"
        )

    await eventually(known)


async def unread(recorder: Recorder) -> None:
    """Leaves events of payments: committed by notifications but unacknowledged, and unread."""
    await recorder.hang("notifications", "inbox.committed")
    order = await recorder.order("charge told, not acknowledged", end="completed")
    await recorder.struck("notifications")
    payment = (await recorder.act(OPERATOR, "GET", f"/api/v1/payments/order/{order}")).json
    refund = {"amountMinor": 50, "reason": "not told yet"}
    path = f"/api/v1/payments/{payment['id']}/refund"
    await recorder.ask("refund nobody has read of", OPERATOR, "POST", path, refund)


async def interrupted(recorder: Recorder) -> None:
    """Leaves orders with a worker or service that died holding them; the worker stays dead."""
    order = recorder.order
    standing = {
        name: await order(f"{name} at", end=end)
        for name, end in (("cancel", "cancelled"), ("ship", "completed"))
    }
    for service in ("orders", "worker"):
        await recorder.inject(service, "cut", dependency="payments")
    async with recorder.killed_at("worker", "orders.claimed.pending"):
        await order("payments down, worker dead", end="completed")
    os.kill(recorder.stack.pid("worker"), signal.SIGSTOP)
    await recorder.inject("orders", "cut", dependency="payments", durationSeconds=1)
    await recorder.over("orders", "cut")
    for point in KILLED:
        async with recorder.killed_at("orders", point):
            await order(f"dead at {point}", end="completed")
    for name, method, body in (("cancel", "DELETE", None), ("ship", "PUT", {"status": "shipped"})):
        async with (
            recorder.killed_at("orders", "orders.claimed.confirmed"),
            recorder.stack.api(OPERATOR) as operator,
        ):
            try:
                await operator.call(method, f"{ORDERS}/{standing[name]}", body)
            except RequestError:
                continue


async def unavailable(recorder: Recorder) -> None:
    """Makes the provider, then payments, then inventory unavailable, permanently."""
    stack, order = recorder.stack, recorder.order
    standing = [await order(f"paid {number}", end="completed") for number in range(2)]
    paid = [
        (await recorder.act(OPERATOR, "GET", f"/api/v1/payments/order/{one}")).json["id"]
        for one in standing
    ]
    cancelled = [
        await order(f"{status}, to be cancelled", end="cancelled")
        for status in ("confirmed", "processing")
    ]
    await recorder.act(OPERATOR, "PUT", f"{ORDERS}/{cancelled[1]}", {"status": "processing"})

    await recorder.hang("payments", "payments.charged")
    await order("charged, outcome unknown", end="completed")
    await recorder.hang("payments", "payments.refund.asked")
    refund = {"amountMinor": 100, "reason": "late"}
    await recorder.ask(
        "refund given, outcome unknown",
        OPERATOR,
        "POST",
        f"/api/v1/payments/{paid[0]}/refund",
        refund,
    )
    await recorder.inject("psp", "behaviour", name="rate-limit")
    await recorder.ask(
        "refund not asked for", OPERATOR, "POST", f"/api/v1/payments/{paid[1]}/refund", refund
    )
    await order("provider away", end="completed")
    async with stack.api(ADA) as ada:
        for order_id in cancelled:  # 01b49c0 answers 500 to the first request, and stores it
            await ada.call("DELETE", f"{ORDERS}/{order_id}")
    kept = await stack.rows(
        "orders", "SELECT 1 FROM orders WHERE cancel_reason IS NOT NULL AND status <> 'cancelled'"
    )
    assert len(kept) == 3, "two cancellations, and the one of the killed orders process"
    for dependency in ("payments", "inventory"):
        await recorder.inject("orders", "cut", dependency=dependency)
        await order(f"{dependency} down", end="completed")
    back = {"productId": FEW, "warehouseId": "WH-EAST", "delta": 10, "reason": "delivery"}
    await recorder.act(OPERATOR, "POST", "/api/v1/inventory/adjust", back)
    waiting = await stack.rows(
        "orders", "SELECT 1 FROM orders WHERE error_code = 'insufficient_stock'"
    )
    assert len(waiting) >= 2, "held, and on backorder"


async def unsent(recorder: Recorder, mailbox: Mailbox) -> None:
    """Creates mail that waits because the server was busy, and mail that is being handed over."""
    mailbox.answers = ["450 busy"] * 1000
    for subject in ("It waits", "It is on its way"):
        body = {"customerId": "CUST-002", "subject": subject, "body": "Read me once"}
        await recorder.act(OPERATOR, "POST", "/api/v1/notifications/send", body)
        await until(lambda: len(mailbox.answers) < 1000)
        mailbox.hangs = True
    await until(lambda: mailbox.held)


# --- all of it


async def record(stack: Stack, mailbox: Mailbox) -> dict[str, Any]:
    recorder = Recorder(stack)
    await finished_work(recorder)
    story = await people(recorder)
    await told_twice(recorder, mailbox)
    await unread(recorder)
    await interrupted(recorder)
    await unavailable(recorder)
    await recorder.ask_again(201)
    await unsent(recorder, mailbox)
    mails = [str(mail["Message-ID"]).strip("<>").partition("@")[0] for mail in mailbox.messages]
    assert len(set(mails)) == len(mails)
    received = await stack.rows("notifications", "SELECT message_id FROM inbox")
    for source in ("orders", "users"):
        kept = {
            f"{source}-{row['id']}" for row in await stack.rows(source, "SELECT id FROM outbox")
        }
        assert kept & {row["message_id"] for row in received}, (
            f"{source} has published no event that it will publish again"
        )
    found = await stack.rows(
        "notifications", "SELECT id::text, channel, status FROM notifications ORDER BY id"
    )
    of = {
        status: [row["id"] for row in found if row["status"] == status]
        for status in ("sent", "queued")
    }
    assert set(mails) <= set(of["sent"])
    return story | {"sent": of["sent"], "queued": of["queued"], "requests": recorder.requests}


def cut_off(stack: Stack) -> None:
    """Kills all processes at work; PostgreSQL stops with its launcher and keeps committed data."""
    state = read_state(stack.data_dir)
    assert state is not None
    os.kill(state.launcher.pid, signal.SIGSTOP)
    for name, process in state.processes.items():
        if name != "postgres" and process.identity and process.identity.is_alive():
            os.kill(process.identity.pid, signal.SIGKILL)
    os.kill(state.launcher.pid, signal.SIGKILL)
    until_blocking(
        lambda: not any(one.is_alive() for one in state.identities()), "everything ended"
    )


@contextmanager
def recorded_stack(smtp_url: str) -> Iterator[Stack]:
    with empty_folder() as folder:
        stack = Stack(folder, dwell_seconds="3600", hourly_limit="100000", smtp_url=smtp_url)
        stack.up()
        try:
            yield stack
        finally:
            if read_state(folder).is_alive:  # type: ignore[union-attr]
                cut_off(stack)


def main() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as url, recorded_stack(url) as stack:
        story = asyncio.run(record(stack, mailbox))
        cut_off(stack)
        snapshot.save(stack.data_dir, Path(sys.argv[1]), story)
    reaper.close()


if __name__ == "__main__":
    main()
