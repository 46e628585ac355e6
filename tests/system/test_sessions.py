"""A browser's session through the gateway, from its first order to its end in every service."""

from tests.support.api import Api
from tests.support.cookies import Browser
from tests.support.eventually import eventually
from tests.support.stack import ADA, OPERATOR, Stack, new_product

READABLE = (
    "/api/v1/orders",
    "/api/v1/notifications",
    "/api/v1/users/me",
    "/api/v1/customers/CUST-001",
)


async def test_a_browser_orders_by_cookie_and_is_out_everywhere_once_it_signs_out(
    stack: Stack,
) -> None:
    order = {"customerId": "CUST-001", "productId": "COOKIE-1", "quantity": 1}
    async with stack.api(OPERATOR) as operator, Api.open(stack.url) as api:
        await new_product(operator, "COOKIE-1", 10)
        browser = await Browser(api).sign_in(ADA, stack.secret("demo"))
        refused = await browser.call("POST", "/api/v1/orders", order)
        assert (refused.status, refused.json["code"]) == (403, "csrf_token_missing")
        placed = await browser.call("POST", "/api/v1/orders", order, **browser.csrf)
        assert placed.status == 201
        assert (
            await browser.call("DELETE", f"/api/v1/orders/{placed.json['id']}", **browser.csrf)
        ).status == 200
        assert {(await browser.call("GET", path)).status for path in READABLE} == {200}

        held = dict(browser.jar)
        assert (await browser.call("POST", "/api/v1/users/logout", **browser.csrf)).status == 204
        browser.jar = held  # copied by a thief

        async def out_everywhere() -> bool:
            return {(await browser.call("GET", path)).status for path in READABLE} == {401}

        await eventually(out_everywhere, 60)


async def test_a_service_tells_the_next_for_whom_it_acts(stack: Stack) -> None:
    order = {"customerId": "CUST-001", "productId": "BEHALF-1", "quantity": 1}
    async with stack.api(OPERATOR) as operator, stack.api(ADA) as ada:
        await new_product(operator, "BEHALF-1", 10)
        placed = (await ada.post("/api/v1/orders", order)).json
        me = (await ada.get("/api/v1/users/me")).json["id"]
        cancelled = await ada.call("DELETE", f"/api/v1/orders/{placed['id']}")
        assert cancelled.status == 200

    async def on_record() -> bool:
        lines = (stack.data_dir / "logs" / "payments.log").read_text().splitlines()
        trace = cancelled.headers["trace-id"]
        return any('"done for somebody"' in line and me in line and trace in line for line in lines)

    await eventually(on_record, 60)


async def test_the_database_logs_that_an_address_was_taken_and_not_which(stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        me = (await ada.get("/api/v1/users/me")).json
        taken = {"name": me["name"], "email": OPERATOR, "currentPassword": stack.secret("demo")}
        assert (await ada.call("PUT", f"/api/v1/users/{me['id']}", taken)).status == 409
    said = stack.log("postgres")
    assert "duplicate key value" in said
    assert OPERATOR not in said
