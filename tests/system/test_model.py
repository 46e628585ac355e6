"""Generated calls that build on one another's answers: all operations, all roles, four
concurrently, on two copies.

They share the stack with the generated requests of `test_fuzz.py`: chaos is disabled and sign-ins
are unlimited there.
"""

import pytest

from tests.support.blocking import run_blocking
from tests.support.model.operations import REFUSED, ROLES
from tests.support.model.run import Model
from tests.support.stack import Stack, assert_sound

CALLS = [1_500, pytest.param(10_000, marks=pytest.mark.full)]
SEED = 20_261_130
ORDER_ANSWERS = {200, 201, 402, 409, 422}


@pytest.fixture(scope="module", params=CALLS)
def model(stack: Stack, request: pytest.FixtureRequest) -> Model:
    """Provides the model after all calls are answered and the work that they began has ended."""
    print(f"{request.param} calls, seed {SEED}")  # noqa: T201 - pytest shows it with a failure
    sent = Model(stack, request.param, SEED)
    run_blocking(sent.run())
    return sent


def test_every_answer_is_one_that_a_caller_can_rely_on(model: Model) -> None:
    assert not model.verdicts.faults, "\n\n".join(
        f"{what}\n{how}" for what, how in model.verdicts.faults.items()
    )


def test_every_status_is_described(model: Model) -> None:
    unlisted = [
        f"{name} {status}\n{how}" for (name, status), how in model.verdicts.unlisted.items()
    ]
    assert not unlisted, "\n\n".join(unlisted)


def test_every_operation_is_called_by_every_role_and_succeeds(model: Model) -> None:
    assert {(each.id, role) for each in model.described for role in ROLES} <= set(
        model.verdicts.calls
    )
    assert not model.starved()
    assert not set(REFUSED) & {
        each.name for each in model.described if model.verdicts.succeeded(each.id)
    }
    assert {
        status for name, status in model.verdicts.statuses if name == "placeOrder"
    } >= ORDER_ANSWERS


def test_units_and_money_are_what_the_answers_said(model: Model) -> None:
    assert not model.differences, "\n".join(model.differences)


async def test_the_books_are_sound(stack: Stack, model: Model) -> None:
    assert sum(model.verdicts.calls.values()) >= 1_500
    await assert_sound(stack)
