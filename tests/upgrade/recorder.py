"""Sends requests to the recorded stack, and brings about what interrupts them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from pyreqwest.exceptions import RequestError

from tests.support.api import Answer, Api
from tests.support.eventually import eventually
from tests.support.stack import ADA, GRACE, Stack
from tests.system.test_chaos import ADMIN

ORDERS: Final = "/api/v1/orders"
PLENTY, FEW, FREE = "OLD-PLENTY", "OLD-FEW", "OLD-FREE"
NUMBERS: Final = {ADA: "CUST-001", GRACE: "CUST-002"}
FOREVER: Final = 600_000
"""Milliseconds; faults end with the stack."""


class Recorder:
    """Sends requests, and records them with their answers."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.requests: list[dict[str, Any]] = []
        self._answers: dict[str, Answer] = {}
        self.ids: dict[str, str] = {}
        """Order ids by the name of the request."""

    async def ask(
        self,
        name: str,
        email: str,
        method: str,
        path: str,
        body: object,
        *,
        key: bool = True,
        end: str | None = None,
    ) -> Answer:
        """Status 0: no answer. `key`: send `name` as Idempotency-Key; `end`: the order's last
        state.
        """
        headers = {"Idempotency-Key": name} if key else {}
        asked = {
            "name": name,
            "email": email,
            "method": method,
            "path": path,
            "headers": headers,
            "body": body,
        }
        answer = await self._send(asked)
        self._answers[name] = answer
        self.requests.append(asked | {"status": answer.status, "end": end})
        return answer

    async def order(
        self, name: str, sku: str = PLENTY, quantity: int = 1, *, end: str, **more: Any
    ) -> str:
        """Places an order; returns its id, empty if there was no answer."""
        email = more.pop("email", ADA)
        body = {
            "customerId": NUMBERS.get(email),
            "items": [{"productId": sku, "quantity": quantity}],
        } | more
        answer = await self.ask(name, email, "POST", ORDERS, body, end=end)
        document = answer.json if answer.status else {}
        self.ids[name] = document.get("id") or document.get("order", {}).get("id", "")
        return self.ids[name]

    async def ask_again(self, *definite: int) -> None:
        """Repeats every request that got one of these statuses and was not repeated before."""
        for asked in self.requests:
            if "again" in asked or asked["status"] not in definite:
                continue
            answer = await self._send(asked)
            assert not asked["headers"] or answer.body == self._answers[asked["name"]].body, asked
            asked["again"] = {
                "status": answer.status,
                "replayed": answer.headers.get("idempotent-replayed"),
                "body": answer.body.decode(),
            }

    async def act(self, email: str, method: str, path: str, body: object = None) -> Answer:
        """Sends a request that is not recorded."""
        async with self.stack.api(email) as api:
            answer = await api.call(method, path, body)
        assert answer.status < 300, answer.body
        return answer

    async def _send(self, asked: dict[str, Any]) -> Answer:
        async with self.stack.api(asked["email"]) as api:
            try:
                answer = await api.call(
                    asked["method"], asked["path"], asked["body"], **asked["headers"]
                )
            except RequestError:
                return Answer(0, {}, b"")
        lost = answer.status >= 500 and "problem" not in answer.headers.get("content-type", "")
        return Answer(0, {}, b"") if lost else answer  # the gateway's own error page

    # --- faults

    async def inject(self, service: str, kind: str, **fault: Any) -> None:
        await self.act(
            ADMIN,
            "PUT",
            f"/api/v1/chaos/{service}",
            {"kind": kind, "durationSeconds": 3600} | fault,
        )

    async def hang(self, service: str, point: str, times: int = 1) -> None:
        await self.inject(
            service, "failpoint", point=point, action="hang", delayMs=FOREVER, times=times
        )

    async def struck(self, service: str) -> None:
        """Waits until the latest fault of a service has struck."""

        async def strikes() -> bool:
            async with self.stack.api(ADMIN) as admin:
                answer = await admin.get(f"/api/v1/chaos/{service}")
            register = answer.json if answer.status == 200 else {}
            return any(
                fault["strikes"]
                for fault in (register.get("active") or register.get("history", []))[:1]
            )

        await eventually(strikes)

    async def over(self, service: str, kind: str) -> None:
        """Waits until no fault of this kind is in force."""

        async def none() -> bool:
            async with self.stack.api(ADMIN) as admin:
                register = (await admin.get(f"/api/v1/chaos/{service}")).json
            return kind not in [fault["fault"]["kind"] for fault in register["active"]]

        await eventually(none)

    @asynccontextmanager
    async def killed_at(self, process: str, point: str) -> AsyncIterator[None]:
        """Kills the process at a failpoint; ends once its successor serves."""
        before = self.stack.pid(process)
        await self.inject(process, "failpoint", point=point, action="kill", times=1)
        yield

        async def successor() -> bool:
            found = self.stack.state["processes"][process]
            return (
                bool(found["identity"]) and found["identity"]["pid"] != before and found["healthy"]
            )

        await eventually(successor)
        async with self.stack.api() as api:  # the gateway routes to it again, too
            await eventually(lambda: _is_routed(api))


async def _is_routed(api: Api) -> bool:
    return (await api.get(f"{ORDERS}?limit=1")).status == 200
