"""Health of ordering: the worst of latency, breakers and processes, weighted by need."""

import pytest

from valerix.chassis.http.health import CheckResult
from valerix.console.faults import FaultWatch
from valerix.console.gather import Gathering, OrderCounts, service_targets
from valerix.console.health import ActiveFault, OrderingHealth, PlacingAnswers, Severity, judge
from valerix.console.history import TICK_SECONDS
from valerix.console.report import FIVE_MINUTES, PlatformReport, report

WELL = dict.fromkeys(
    (
        "gateway",
        "orders",
        "worker",
        "users",
        "inventory",
        "payments",
        "notifications",
        "psp",
        "console",
    ),
    "ok",
)
QUICK = PlacingAnswers(30, average_ms=40, answers=20, failed=0)
NONE = PlacingAnswers(30, average_ms=None, answers=0, failed=0)
CUT = ActiveFault("orders", "cut off from inventory", "inventory", strikes=0)


def about(health: OrderingHealth) -> list[str]:
    return [symptom.about for symptom in health.symptoms]


def test_quick_orders_and_processes_that_answer_are_healthy() -> None:
    assert judge(
        QUICK, WELL, {("orders", "inventory"): "closed", ("gateway", "orders"): None}, []
    ) == OrderingHealth(Severity.OK, "Healthy", [])


def test_without_an_order_there_is_no_green() -> None:
    health = judge(NONE, WELL, {}, [])
    assert (health.level, health.title) == (Severity.UNKNOWN, "No orders")
    assert health.symptoms[0].text == "no order was placed in the last 30 s"


@pytest.mark.parametrize(
    ("placing", "title"),
    [(QUICK._replace(average_ms=1001), "Slow"), (QUICK._replace(failed=2), "Failing")],
)
def test_slow_and_failing_orders_are_red(placing: PlacingAnswers, title: str) -> None:
    health = judge(placing, WELL, {}, [])
    assert (health.level, health.title) == (Severity.BAD, title)


@pytest.mark.parametrize("name", WELL)
def test_a_process_that_is_down_weighs_as_much_as_orders_need_it(name: str) -> None:
    beside = {"worker", "notifications", "console"}
    health = judge(QUICK, WELL | {name: "down"}, {}, [])
    assert health.level == (Severity.WARN if name in beside else Severity.BAD)
    assert about(health) == [name]
    assert judge(QUICK, WELL | {name: "degraded"}, {}, []).level == Severity.WARN


def test_what_was_not_asked_yet_is_not_healthy() -> None:
    assert judge(QUICK, dict.fromkeys(WELL, "unknown"), {}, []).level == Severity.UNKNOWN


@pytest.mark.parametrize(
    ("call", "level"),
    [
        (("orders", "inventory"), Severity.BAD),
        (("payments", "psp"), Severity.BAD),
        (("worker", "payments"), Severity.WARN),
        (("inventory", "orders"), Severity.WARN),
    ],
)
def test_an_open_breaker_weighs_as_much_as_its_call(call: tuple[str, str], level: Severity) -> None:
    health = judge(QUICK, WELL, {call: "open"}, [])
    assert (health.level, health.title) == (level, "Cut off")
    half = judge(QUICK, WELL, {call: "half_open"}, [])
    assert half.level == Severity.WARN
    assert "waits for the next call" in half.symptoms[0].text


def test_a_fault_that_no_traffic_has_met_is_said() -> None:
    for placing in (QUICK, NONE):
        health = judge(placing, WELL, {}, [CUT])
        assert (health.level, health.title) == (Severity.WARN, "Fault armed")
        assert health.symptoms[0].text == "cut off from inventory: armed, no request has met it yet"


def test_orders_that_are_cut_off_are_red_before_the_breaker_opens() -> None:
    health = judge(QUICK, WELL, {("orders", "inventory"): "closed"}, [CUT._replace(strikes=1)])
    assert (health.level, about(health)) == (Severity.BAD, ["orders"])
    assert health.symptoms[0].text == "cut off from inventory: struck once"
    gremlin = ActiveFault("orders", "every 5th request waits 3000 ms", "", strikes=1)
    assert judge(QUICK, WELL, {}, [gremlin]).level == Severity.WARN


def test_the_worst_comes_first() -> None:
    health = judge(NONE, WELL | {"notifications": "down", "payments": "down"}, {}, [CUT])
    assert (health.level, health.title) == (Severity.BAD, "Down")
    assert about(health) == ["payments", "notifications", "orders", ""]
    slow = judge(
        QUICK._replace(average_ms=5000), WELL | {"psp": "down"}, {("payments", "psp"): "open"}, []
    )
    assert about(slow) == ["psp", "payments → psp", ""], "causes before effects"


# --- from gathered readings


def gathered(
    statuses: dict[str, str], checks: dict[str, CheckResult], counts: list[OrderCounts]
) -> PlatformReport:
    gathering = Gathering(
        service_targets(dict.fromkeys(statuses, ("http://127.0.0.1:9",))), FaultWatch(None)
    )
    for copy, status in zip(gathering.copies, statuses.values(), strict=True):
        copy.status, copy.checks = status, checks
    gathering.counts.extend(counts)
    gathering.tick = counts[-1].tick if counts else 1
    return report(gathering, [("orders", "inventory")], 30)


def test_a_process_that_reports_a_failed_check_is_impaired_though_it_serves() -> None:
    result = gathered(
        {"orders": "ok", "inventory": "down"}, {"bus": CheckResult("failed", "no room")}, []
    )
    assert [process.status for process in result.processes] == ["degraded", "down"]
    assert [symptom.about for symptom in result.health.symptoms] == ["inventory", "orders", ""]


def test_the_success_rate_says_of_how_many_orders_it_is_one() -> None:
    ticks = FIVE_MINUTES // TICK_SECONDS
    before, now = {"confirmed": 10.0, "pending": 1.0}, {"confirmed": 11.0, "pending": 2.0}
    rate = gathered(
        {"orders": "ok"}, {}, [OrderCounts(1, before, None), OrderCounts(1 + ticks, now, None)]
    ).orders
    assert (rate.success_rate.now, rate.success_rate.confirmed, rate.success_rate.placed) == (
        0.5,
        1,
        2,
    )
    began_anew = [OrderCounts(1, now, None), OrderCounts(1 + ticks, before, None)]
    assert gathered({"orders": "ok"}, {}, began_anew).orders.success_rate.now is None
