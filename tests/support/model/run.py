"""Sends the calls of the table to a stack, several concurrently, and keeps the books."""

import asyncio
import random
from collections import defaultdict, deque
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from tests.support.api import Answer, Api
from tests.support.documents import complete_of
from tests.support.eventually import eventually
from tests.support.model.books import Books, differences
from tests.support.model.document import Described
from tests.support.model.document import operations as described
from tests.support.model.judging import Verdicts, documents
from tests.support.model.operations import (
    ADMIN,
    CUSTOMERS,
    KEYS_IN_BODY,
    OPERATOR,
    PASSWORD,
    PEOPLE,
    REFUSED,
    ROLES,
    TABLE,
    Call,
    Draw,
    Operation,
    reading,
)
from tests.support.model.pools import Pools
from tests.support.stack import Stack, settled

AT_ONCE = 4
AGREE_SECONDS = 30
ROUNDS = 30
"""Maximum rounds of extra calls to the operations that have not succeeded by chance."""
SCARCE, PLENTY = 6, 2
"""Numbers of products created before the first call: with 5 units each, and with 1,000."""
USUAL = 0.9
"""Share of calls to an operation that the roles in its entry of the table send."""
SAME, OTHER, TWICE = 0.15, 0.07, 0.1
"""Share of calls whose key is sent again with its body, again with another body, and twice
concurrently.
"""
DEAD_LETTER = """
    INSERT INTO dead_letters (consumer, event, error, attempts, replayed_at)
    VALUES ($1, '{"type": "test", "subject": "test"}', 'test', 1, now()) RETURNING id"""


class Caller:
    """A caller of one role; signs in again when its session has ended."""

    def __init__(self, api: Api, role: str) -> None:
        self.role = role
        self.own: dict[str, str] = {}
        self.token = ""
        self._api = api
        self._signing_in = asyncio.Lock()

    async def send(self, operation: Described, call: Call) -> Answer:
        path = operation.path.format(**call.path) + (
            f"?{urlencode(call.query)}" if call.query else ""
        )
        headers: dict[str, str] = {}
        body = call.body
        if call.version is not None:
            headers["If_Match"] = f'"{call.version}"'
        if call.key is not None and operation.name in KEYS_IN_BODY:
            body = {**(call.body or {}), "idempotencyKey": call.key}
        elif call.key is not None:
            headers["Idempotency_Key"] = call.key
        token = self.token
        answer = await self._api.call(operation.method, path, body, token=token, **headers)
        if answer.status == 401 and self.role in PEOPLE:
            await self._sign_in_unless_done(token)
        return answer

    async def sign_in(self) -> None:
        """Signs in; repeated, because a sign-in during a change of the password is refused."""
        account = {"email": self.own["email"], "password": PASSWORD}

        async def token() -> str:
            answer = await self._api.post("/api/v1/users/login", account)
            return str(answer.json["accessToken"]) if answer.status == 200 else ""

        self.token = await eventually(token)

    async def _sign_in_unless_done(self, refused: str) -> None:
        async with self._signing_in:
            if self.token == refused:
                await self.sign_in()


class Model:
    """Sends at least `calls` calls, then finishes the work that they began.

    The drawn values depend on `seed` and, because calls race, on earlier answers.
    """

    def __init__(self, stack: Stack, calls: int, seed: int) -> None:
        self.verdicts = Verdicts()
        self.books = Books()
        self.differences: list[str] = []
        """Differences between the books and the stack at the end."""
        self.described: list[Described] = []
        self._stack, self._calls = stack, calls
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated
        self._pools = Pools()
        self._prefix = f"M{calls}"
        self._callers: dict[str, Caller] = {}
        self._sent: dict[tuple[str, str], deque[Call]] = defaultdict(lambda: deque(maxlen=20))
        """Calls with a key, by role and operation."""

    async def run(self) -> None:
        async with Api.open(self._stack.url) as api:
            self.described = described(await complete_of(api))
            self._callers = {role: Caller(api, role) for role in ROLES}
            await self._prepare(api)
            await self._send_all(self._plan())
            for _ in range(ROUNDS):
                if not self.starved():
                    break
                await self._send_all(
                    [(each, self._chance.choice(_entry(each).by)) for each in self.described]
                )
            await self._callers[OPERATOR].sign_in()
        async with Api.open(self._stack.url, self._callers[OPERATOR].token) as operator:
            await self._close(operator)

    def starved(self) -> list[str]:
        """Returns the operations that have not succeeded yet."""
        return [
            each.id
            for each in self.described
            if each.name not in REFUSED and not self.verdicts.succeeded(each.id)
        ]

    async def _send_all(self, plan: list[tuple[Described, str]]) -> None:
        calls = iter(plan)

        async def send_some() -> None:
            for operation, role in calls:
                await self._call(operation, self._callers[role])

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(send_some())

    def _plan(self) -> list[tuple[Described, str]]:
        """Plans every operation by every role, then draws according to the table."""
        plan = [(operation, role) for operation in self.described for role in ROLES]
        weights = [_entry(operation).weight for operation in self.described]
        for operation in self._chance.choices(
            self.described, weights, k=max(0, self._calls - len(plan))
        ):
            roles = _entry(operation).by if self._chance.random() < USUAL else ROLES
            plan.append((operation, self._chance.choice(roles)))
        self._chance.shuffle(plan)
        return plan

    async def _call(self, operation: Described, caller: Caller) -> None:
        call = self._draw(operation, caller)
        twice = call.key is not None and self._chance.random() < TWICE
        async with asyncio.TaskGroup() as group:
            for _ in range(1 + twice):
                group.create_task(self._send(operation, caller, call))

    def _draw(self, operation: Described, caller: Caller) -> Call:
        call = _entry(operation).build(
            Draw(self._chance, self._pools, caller.role, caller.own, self._prefix)
        )
        sent = self._sent[caller.role, operation.id]
        if call.key is None:
            return call
        if sent and self._chance.random() < SAME:
            return self._chance.choice(sent)
        if sent and self._chance.random() < OTHER:
            return call._replace(key=self._chance.choice(sent).key)
        sent.append(call)
        return call

    async def _send(self, operation: Described, caller: Caller, call: Call) -> Answer:
        answer = await caller.send(operation, call)
        self.verdicts.judge(operation, caller.role, caller.own, call, answer)
        document = documents(answer)
        if document is not None:
            self._pools.learn(operation.path, document)
        if answer.status < 300:
            self.books.note(operation.name, call, document)
            self._learn_made(operation, caller.role, call, document)
        return answer

    def _learn_made(self, operation: Described, role: str, call: Call, document: Any) -> None:
        """Stores values that the answer alone does not contain."""
        match operation.name:
            case "createProduct":
                self._pools.add("other sku", document["productId"])
            case "register":
                for kind, name in (
                    ("guest", "id"),
                    ("email", "email"),
                    ("guest customer", "customerId"),
                ):
                    self._pools.add(kind, document[name])
            case "listSessions":
                for session in document["items"]:
                    self._pools.add("user and session", f"{call.path['user_id']} {session['id']}")
            case "listMySessions":
                for session in document["items"]:
                    self._pools.add(f"session of {role}", session["id"])
        if isinstance(document, dict) and (cursor := document.get("nextCursor")):
            self._pools.add(f"cursor of {operation.name}", cursor)

    # --- after the last call

    async def _close(self, operator: Api) -> None:
        """Finishes the work in progress and compares the books: only a lasting difference
        counts.
        """
        await settled(self._stack)

        async def agree() -> bool:
            self.differences = await differences(self._stack, operator, self.books)
            return not self.differences

        with suppress(TimeoutError):
            await eventually(agree, AGREE_SECONDS)

    # --- before the first call

    async def _prepare(self, api: Api) -> None:
        by_id = {operation.id: operation for operation in self.described}
        for role in PEOPLE:
            await self._register(api, self._callers[role])
        for warehouse in (
            await self._send(by_id["listWarehouses"], self._callers[OPERATOR], Call())
        ).json["items"]:
            self._pools.add("warehouse", warehouse["warehouseId"])
        for number in range(SCARCE + PLENTY):
            stock = [{"warehouseId": "WH-EAST", "quantity": 5 if number < SCARCE else 1000}]
            price = {"amountMinor": 1000, "currency": "USD"}
            sku = f"{self._prefix}-P{number}"
            self._pools.add("sku", sku)
            body = {"productId": sku, "name": "Model", "price": price, "initialStock": stock}
            assert (
                await self._send(by_id["createProduct"], self._callers[OPERATOR], Call(body=body))
            ).status == 201
        for service in ("orders", "inventory", "notifications", "users"):
            (letter,) = await self._stack.rows(service, DEAD_LETTER, service)
            self._pools.add("letter", str(letter["id"]))

    async def _register(self, api: Api, caller: Caller) -> None:
        """Registers an account for the model: generated requests on the same stack change the other
        accounts.
        """
        email = f"{self._prefix}-{caller.role}@example.com".lower()
        body = {"name": "Model", "email": email, "password": PASSWORD}
        account = (await api.post("/api/v1/users/register", body)).json
        caller.own = {"id": account["id"], "email": email}
        if caller.role in CUSTOMERS:
            caller.own["customerId"] = account["customerId"]
            self._pools.add("customer", account["customerId"])
        else:
            promote = "UPDATE users SET role = $2, customer_number = NULL WHERE id = $1"
            await self._stack.rows("users", promote, account["id"], caller.role)
        self._pools.add("user", account["id"])
        self._pools.add("email", email)
        await caller.sign_in()


def _entry(operation: Described) -> Operation:
    known = TABLE.get(operation.name)
    return known or Operation(
        2, (*PEOPLE, ADMIN, ADMIN), reading(operation.name, operation.parameters)
    )
