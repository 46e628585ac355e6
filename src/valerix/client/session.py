"""The session of a caller: its tokens, and which requests are sent again, when and for how long.

Sent again, after 0.1, 0.2, 0.4 … 2 s (each times 0.5 to 1) or after the time in `Retry-After`:
- any request that certainly was not begun: no connection, 429, shed with 503, 409 with
  `Retry-After`, a gateway that is just starting (404 without a problem document);
- a repeatable request (reading, signing in, cancelling, and changes that carry a key) also when its
  outcome is unknown: connection lost, no answer in time, 502, 503, 504. Under its key it has one
  effect, however often it is sent.
No attempt begins later than `retry_seconds` after the first; each takes at most the client's
`timeout_seconds`.
"""

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from valerix.client.errors import read_problem, refusal, unanswered
from valerix.client.models import SignedIn
from valerix.client.reading import read_as
from valerix.client.steps import Answer, Flow, NoReply, Outcome, Pause, Request, SignIn

T = TypeVar("T")
DEFAULT_RETRY_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0
TOKEN_LIFE_USED: Final = 0.9
"""Fraction of a token's life after which a new one is fetched, so that none expires in transit."""

_read_signed_in = read_as(SignedIn)


class Session:
    """One caller.

    With e-mail and password it signs in by itself, and again when the token has expired.
    """

    def __init__(
        self, *, email: str | None, password: str | None, token: str | None, retry_seconds: float
    ) -> None:
        self._credentials = None if email is None or password is None else (email, password)
        self._token = token
        self._device: str | None = None
        self._renew_at = float("inf")
        self._retry_seconds = retry_seconds

    def call(self, request: Request, read: Callable[[Answer], T], *, repeatable: bool) -> Flow[T]:
        """Send a request as the caller, and read its answer.

        Raises the errors of `valerix.client.errors`.
        """
        answer = yield from self._send(request, repeatable, self.once)
        return read(answer)

    # --- signing in

    def login(self, email: str, password: str) -> Flow[SignedIn]:
        """Sign in; later calls are made as this user.

        Signs in again when the token has expired.
        """
        signed_in = yield from self._sign_in(email, password)
        self._credentials = (email, password)
        return signed_in

    def renew(self, stale: str | None) -> Flow[None]:
        """Replace the token `stale`, unless it has been replaced already."""
        if self._credentials is not None and self._token == stale:
            yield from self._sign_in(*self._credentials)

    def _sign_in(self, email: str, password: str) -> Flow[SignedIn]:
        known = {} if self._device is None else {"deviceToken": self._device}
        body = msgspec.json.encode({"email": email, "password": password, **known})
        answer = yield from self._send(
            Request("POST", "/api/v1/users/login", body), True, self._bare
        )
        signed_in = _read_signed_in(answer)
        self._token = signed_in.access_token
        self._device = signed_in.device_token or self._device
        self._renew_at = time.monotonic() + signed_in.expires_in * TOKEN_LIFE_USED
        return signed_in

    # --- sending

    def _send(
        self, request: Request, repeatable: bool, once: Callable[[Request], Flow[Outcome]]
    ) -> Flow[Answer]:
        give_up_at = time.monotonic() + self._retry_seconds
        attempt = 0
        while True:
            outcome = yield from once(request)
            if isinstance(outcome, Answer) and outcome.status < 300:
                return outcome
            pause = _pause_before_next(outcome, attempt, repeatable)
            if pause is None or time.monotonic() + pause > give_up_at:
                raise unanswered(outcome) if isinstance(outcome, NoReply) else refusal(outcome)
            yield Pause(pause)
            attempt += 1

    def _bare(self, request: Request) -> Flow[Outcome]:
        outcome = yield request
        assert outcome is not None  # noqa: S101 - only steps other than a request have no outcome
        return outcome

    def once(self, request: Request) -> Flow[Outcome]:
        """Send as the caller, without repeating; only signing in, where needed, is repeated."""
        if self._credentials is not None and (
            self._token is None or time.monotonic() >= self._renew_at
        ):
            yield SignIn(self._token)
        token = self._token
        outcome = yield from self._bare(_with_token(request, token))
        if isinstance(outcome, Answer) and outcome.status == 401 and self._credentials is not None:
            yield SignIn(token)
            outcome = yield from self._bare(_with_token(request, self._token))
        return outcome


def _with_token(request: Request, token: str | None) -> Request:
    if token is None:
        return request
    return request._replace(headers={**request.headers, "authorization": f"Bearer {token}"})


def _pause_before_next(outcome: Outcome, attempt: int, repeatable: bool) -> float | None:
    """Seconds to wait before sending the request again; None when it must not be sent again."""
    backoff = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempt, 10))
    backoff *= random.uniform(0.5, 1)  # noqa: S311 - spreads callers, guards nothing
    if isinstance(outcome, NoReply):
        return backoff if repeatable or not outcome.sent else None
    if not (_was_not_begun(outcome) or (repeatable and outcome.status in (502, 503, 504))):
        return None
    return backoff if outcome.retry_after is None else outcome.retry_after


def _was_not_begun(answer: Answer) -> bool:
    if answer.status == 503:
        # A balancer without a server sends no code; with other codes (outcome_unknown …) work may
        # have begun.
        return read_problem(answer).code in ("", "unavailable")
    if answer.status == 404:
        # A starting gateway listens before it knows its routes; a 404 of a service has a code.
        return read_problem(answer).code == ""
    return answer.status == 429 or (answer.status == 409 and answer.retry_after is not None)
