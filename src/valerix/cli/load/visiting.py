"""One customer's visit: an order, perhaps the same order again, and reads.

The order is sent under its key until the answer is definite.
"""

import asyncio
import itertools
import time
from typing import Final, NamedTuple

import msgspec

from valerix.cli.load.placed import Placed, is_answer, is_definite, kind, pause, replay_mismatch
from valerix.cli.load.schedule import Visit
from valerix.cli.load.tally import Tally
from valerix.client.asynchronous import Runner
from valerix.client.errors import ValerixError
from valerix.client.session import Session
from valerix.client.steps import Answer, NoReply, Outcome, Request

PATH: Final = "/api/v1/orders"
TIMEOUT_SECONDS: Final = 30.0
"""A visit without an answer by then passes its slot on, and continues to send without one."""


class Caller:
    """A signed-in account.

    Each request is sent once, without hidden retries, so that every attempt is counted.
    """

    def __init__(self, session: Session, runner: Runner) -> None:
        self._session = session
        self._runner = runner

    async def sign_in(self) -> None:
        """Sign in, before anything is measured. Raises ValerixError."""
        await self._runner.run(self._session.renew(None))

    async def send(self, request: Request) -> Outcome:
        """Send a request once. A failed sign-in counts as no answer."""
        try:
            return await self._runner.run(self._session.once(request))
        except ValerixError as error:  # raised while renewing the session
            return NoReply(f"not signed in: {error}", sent=False)


class Customer(NamedTuple):
    """A customer. `caller` is the customer's own account, or staff ordering on their behalf."""

    customer_id: str
    caller: Caller


class Shop:
    """Carries out visits, and keeps the orders they have placed."""

    def __init__(self, customers: list[Customer], tally: Tally, run: str, on_shortage: str) -> None:
        """`run`: an id that makes the idempotency keys of this run unique."""
        self._customers = customers
        self._tally = tally
        self._run = run
        self._on_shortage = on_shortage
        self.placed: list[Placed] = []

    async def visit(self, visit: Visit, due: float, slots: asyncio.Semaphore) -> None:
        """Carry out a visit until its order has a definite answer.

        The visit's slot in `slots` is released after its first answer and reads, or after
        TIMEOUT_SECONDS.
        """
        customer_id, caller = self._customers[visit.customer]
        placed = Placed(f"load-{self._run}-{visit.number}", customer_id)
        request = self._request(visit, placed)
        self._note_begin(placed, visit, due)
        try:
            answer = await self._place(caller, request, placed, due)
            if answer is not None and is_definite(answer):
                await self._repeat_and_read(visit, caller, request, placed, answer)
        finally:
            self._tally.in_flight -= 1
            slots.release()
        if placed.status is None:
            await self._follow(caller, request, placed, due)

    def _request(self, visit: Visit, placed: Placed) -> Request:
        body = {
            "customerId": placed.customer_id,
            "items": [
                {"productId": product, "quantity": quantity}
                for product, quantity in visit.items.items()
            ],
            "paymentMethod": visit.payment_method,
            "onShortage": self._on_shortage,
        }
        return Request("POST", PATH, msgspec.json.encode(body), {"idempotency-key": placed.key})

    def _note_begin(self, placed: Placed, visit: Visit, due: float) -> None:
        self.placed.append(placed)
        self._tally.lag.record(time.monotonic() - due)
        self._tally.demand.update(visit.items)
        self._tally.sent += 1
        self._tally.in_flight += 1

    async def _place(
        self, caller: Caller, request: Request, placed: Placed, due: float
    ) -> Answer | None:
        """Send the order until there is an answer, 202 or a definite one.

        Return None if none came in time.
        """
        for attempt in itertools.count():
            outcome = await caller.send(request)
            seconds = time.monotonic() - due
            self._tally.answers[kind(outcome)] += 1
            placed.take(outcome, seconds)
            if isinstance(outcome, Answer) and is_answer(outcome):
                self._tally.answered(seconds)
                return outcome
            if seconds > TIMEOUT_SECONDS:
                break
            await asyncio.sleep(pause(outcome, attempt))
        return None

    async def _follow(self, caller: Caller, request: Request, placed: Placed, due: float) -> None:
        """Keep sending: the key gets its definite answer once the order has come to an end."""
        self._tally.pending += 1
        try:
            for attempt in itertools.count():
                await asyncio.sleep(max(1.0, pause(NoReply("", sent=False), attempt)))
                outcome = await caller.send(request)
                self._tally.followed[kind(outcome)] += 1
                placed.take(outcome, time.monotonic() - due)
                if is_definite(outcome):
                    return
        finally:
            self._tally.pending -= 1

    # --- after the order

    async def _repeat_and_read(
        self, visit: Visit, caller: Caller, request: Request, placed: Placed, answer: Answer
    ) -> None:
        if visit.duplicate:
            await self._send_again(caller, request, placed, answer)
        for what in visit.reads:
            await self._read(caller, what, placed, next(iter(visit.items)))

    async def _send_again(
        self, caller: Caller, request: Request, placed: Placed, first: Answer
    ) -> None:
        for attempt in itertools.count():
            again = await caller.send(request)
            if isinstance(again, Answer) and is_answer(again):
                self._tally.duplicates += 1
                if wrong := replay_mismatch(first, again):
                    self._tally.violations.append(
                        f"The answer to the repeated key {placed.key} {wrong}"
                    )
                return
            await asyncio.sleep(pause(again, attempt))

    async def _read(self, caller: Caller, what: str, placed: Placed, product: str) -> None:
        if what == "order" and placed.order_id is None:
            return
        paths = {
            "order": f"{PATH}/{placed.order_id}",
            "list": f"{PATH}?customerId={placed.customer_id}&limit=20",
            "stock": f"/api/v1/inventory/{product}",
        }
        started = time.monotonic()
        outcome = await caller.send(Request("GET", paths[what]))
        self._tally.reads.record(time.monotonic() - started)
        self._tally.read_answers[kind(outcome)] += 1
        if what == "order" and kind(outcome) == "404 order_not_found":
            self._tally.violations.append(
                f"Order {placed.order_id} was acknowledged but does not exist"
            )
