"""Creates objects that a call uses up, and returns their values."""

from collections.abc import Awaitable, Callable
from itertools import count

import jwt

from tests.matrix.world import Values, World, made
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.stack import new_product, place
from valerix.contracts.events import ACCOUNT_CONFIRMATION_REQUESTED, ACCOUNT_RESET_REQUESTED
from valerix.contracts.ids import new_id
from valerix.contracts.mails import mail_token
from valerix.contracts.states import OrderStatus

PASSWORD = "long enough, 4 sure"
NUMBERS = count(1)
Make = Callable[[World, Api, Api], Awaitable[Values]]
"""Creates the objects that a call uses up, with the owner's and the operator's API; returns values
that replace the world's.
"""


def number() -> int:
    return next(NUMBERS)


async def new_order(world: World, owner: Api, _: Api) -> Values:
    placed = await place(owner, {world.values["plenty"]: 1})
    return {"order_id": made(placed)["id"]}


async def held_order(_: World, owner: Api, operator: Api) -> Values:
    """Places an order that is held for stock, and adds the stock."""
    sku = f"MATRIX-HELD-{number()}"
    await new_product(operator, sku, 1)
    held = await place(owner, {sku: 2})
    assert held.status == 409, held.body
    change = {"productId": sku, "warehouseId": "WH-EAST", "delta": 5, "reason": "arrived"}
    made(await operator.post("/api/v1/inventory/adjust", change))
    return {"order_id": held.json["order"]["id"], "held": sku}


async def cancelled_order(world: World, owner: Api, operator: Api) -> Values:
    placed = await new_order(world, owner, operator)
    made(await owner.call("DELETE", f"/api/v1/orders/{placed['order_id']}"))
    return placed


async def packed_order(world: World, owner: Api, operator: Api) -> Values:
    placed = await new_order(world, owner, operator)
    made(
        await operator.call(
            "PUT", f"/api/v1/orders/{placed['order_id']}", {"status": OrderStatus.PROCESSING}
        )
    )
    return placed


async def own_product(_: World, __: Api, operator: Api) -> Values:
    sku = f"MATRIX-{number()}"
    await new_product(operator, sku, 1)
    return {"sku": sku}


async def new_user(world: World, _: Api, __: Api) -> Values:
    """Registers a user and signs in."""
    user = await _registered(world)
    async with world.platform.open(world.platform.url) as api:
        return user | await _session(api, {name: user[name] for name in ("email", "password")})


async def _registered(world: World) -> Values:
    account = {"email": f"matrix-{new_id()}@example.com", "password": PASSWORD}
    async with world.platform.open(world.platform.url) as api:
        user = made(await api.post("/api/v1/users/register", {"name": "Matrix", **account}))
    return {"user_id": user["id"], **account}


async def confirming(world: World, _: Api, __: Api) -> Values:
    """Requests a confirmation; returns the token of the mail to the address."""
    user = await _registered(world)
    return user | {"mail_token": await _mail_token(world, user, ACCOUNT_CONFIRMATION_REQUESTED)}


async def resetting(world: World, _: Api, __: Api) -> Values:
    """Requests a reset; returns the token of the mail."""
    user = await _registered(world)
    async with world.platform.open(world.platform.url) as api:
        assert (
            await api.post("/api/v1/users/password/forgot", {"email": user["email"]})
        ).status == 202
    return user | {"mail_token": await _mail_token(world, user, ACCOUNT_RESET_REQUESTED)}


async def _mail_token(world: World, user: Values, event: str) -> str:
    query = "SELECT version FROM user_events WHERE user_id = $1 AND type = $2"
    (row,) = await eventually(lambda: world.platform.rows("users", query, user["user_id"], event))
    secret = (world.platform.secrets / "mail").read_text()
    return mail_token(secret, f"{user['user_id']}:{row['version']}")


async def own_session(world: World, owner: Api, _: Api) -> Values:
    return await _session(owner, {name: world.values[name] for name in ("email", "password")})


async def _session(api: Api, account: dict[str, str]) -> Values:
    signed_in = made(await api.post("/api/v1/users/login", account))
    claims = jwt.decode(signed_in["accessToken"], options={"verify_signature": False})
    return {"session_id": claims["sid"], "refresh_token": signed_in["refreshToken"]}
