"""The part of a browser that HTTP sessions need: it stores cookies and sends them back."""

from http.cookies import SimpleCookie
from typing import Any, Self

from tests.support.api import Answer, Api


class Browser:
    """Stores cookies as a browser does, and sends the one that pages can read in `X-CSRF-Token`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.jar: dict[str, str] = {}
        self.set: dict[str, Any] = {}

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = await self._api.call(
            method, path, body, **({"cookie": cookie} if cookie else {}), **headers
        )
        for line in answer.set_cookies:
            for name, morsel in SimpleCookie(line).items():
                self.set[name] = morsel
                self.jar[name] = morsel.value
        return answer

    async def sign_in(self, email: str, password: str) -> Self:
        body = {"email": email, "password": password, "session": "cookie"}
        answer = await self.call("POST", "/api/v1/users/login", body, x_forwarded_proto="https")
        assert answer.status == 200
        assert set(answer.json) == {"user", "expiresIn", "refreshExpiresAt"}, (
            "tokens belong in cookies only"
        )
        return self

    @property
    def csrf(self) -> dict[str, str]:
        return {"x_csrf_token": self.jar["valerix_csrf"]}
