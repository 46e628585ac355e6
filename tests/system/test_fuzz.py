"""Generated requests, valid and invalid, single and in sequences, by every role: no answer is
5xx.
"""

import pytest

from tests.support.stack import Stack
from tests.system.fuzz import fuzz

CASES = [400, pytest.param(5000, marks=pytest.mark.full)]
"""Number of cases; `python -m tests.system.fuzz --cases 20000` sends more."""


@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cases", CASES)
def test_nothing_that_can_be_described_makes_a_service_fail(stack: Stack, cases: int) -> None:
    findings = fuzz(stack, cases)
    assert not findings.failures, "\n\n".join(
        f"{what}\n{how}" for what, how in findings.failures.items()
    )
    assert findings.total >= cases
    assert {200, 201, 400, 401, 403, 404} <= set(findings.statuses), findings.statuses
    described = 40
    assert len(findings.calls) >= described, findings.calls
