"""Tests every default of chassis.base.timeouts once with its production value; all other stacks of
the tests are scaled.
"""

import os
import re
import signal
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.support.eventually import eventually
from tests.support.mail import Mailbox, mail_server
from tests.support.stack import ADA, Stack, own_stack, place
from tests.system import test_breaker, test_chaos, test_kill, test_thirty_seconds
from tests.system.test_mail import is_held, sent
from valerix.chassis.base import timeouts

pytestmark = pytest.mark.full
VICTIM = "users"
PAUSE = re.compile(rf"{VICTIM} ended with \S+; again in (\S+) s")

test_breaker_window_and_open_time = (
    test_breaker.test_breaker_opens_answers_at_once_and_closes_after_one_trial
)
test_deadline_and_answer_margin = (
    test_chaos.test_slow_inventory_on_every_attempt_is_answered_in_time_and_finished_later
)
test_call_timeout_and_backoff = (
    test_chaos.test_slow_inventory_past_the_timeout_is_asked_again_and_deducts_once
)
test_call_timeout_is_not_too_short = (
    test_chaos.test_slow_inventory_under_the_timeout_makes_the_order_late_and_nothing_else
)
test_answer_window = (
    test_thirty_seconds.test_thirty_seconds_average_crosses_a_second_under_the_gremlin_and_returns
)


async def test_saga_lease(stack: Stack) -> None:
    await test_chaos.test_killed_between_two_steps_every_order_is_finished_once(
        stack, "orders", "orders.accepted"
    )


async def test_step_lease(stack: Stack) -> None:
    await test_chaos.test_killed_between_two_steps_every_order_is_finished_once(
        stack, "payments", "payments.opened"
    )


async def test_step_wait_and_retry_pauses(stack: Stack) -> None:
    await test_kill.test_an_order_that_cannot_be_driven_now_is_accepted_and_finished_later(stack)


async def test_provider_timeout_and_slow_answer(stack: Stack) -> None:
    await test_kill.test_a_payment_without_a_clear_answer_is_charged_once(stack, "card_timeout")


async def test_stall(stack: Stack) -> None:
    await test_chaos.test_whatever_the_provider_does_is_charged_once(stack, "stall")


async def test_send_lease() -> None:
    """A message that a killed process had claimed is sent once its lease has expired."""
    mailbox = Mailbox()
    with (
        mail_server(mailbox) as url,
        own_stack(dwell_seconds="3600", smtp_url=url, time_scale="1") as stack,
    ):
        async with stack.api(ADA) as ada:
            mailbox.hangs = True
            order = (await place(ada, {"PROD-002": 1})).json["id"]
            await eventually(lambda: is_held(mailbox))
            os.kill(stack.pid("notifications"), signal.SIGKILL)
            mailbox.hangs = False
            await eventually(lambda: sent(stack, order), 4 * timeouts.DEFAULT.send_lease_seconds)


async def test_restart_pauses(stack: Stack) -> None:
    """Pauses double up to the maximum while a process keeps dying, and start again at the minimum
    once it has run long enough.
    """
    await eventually(lambda: _killed_until(stack, "10"), 300)
    await eventually(lambda: _ran_steadily(stack), 120)
    await eventually(lambda: _killed_until(stack, "0.2"), 60)
    await eventually(lambda: _is_healthy(stack), 60)


async def _killed_until(stack: Stack, pause: str) -> bool:
    pauses = PAUSE.findall(stack.log("launcher"))
    if pauses and pauses[-1] == pause:
        return True
    if identity := stack.state["processes"][VICTIM]["identity"]:
        with suppress(ProcessLookupError):  # it has ended, and the state does not show it yet
            os.kill(identity["pid"], signal.SIGKILL)
    return False


async def _is_healthy(stack: Stack) -> bool:
    return bool(stack.state["processes"][VICTIM]["healthy"])


async def _ran_steadily(stack: Stack) -> bool:
    started_at = datetime.fromisoformat(stack.state["processes"][VICTIM]["startedAt"])
    ran = datetime.now(UTC) - started_at
    return (
        await _is_healthy(stack) and ran.total_seconds() > timeouts.DEFAULT.restart_steady_seconds
    )
