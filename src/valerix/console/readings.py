"""Reads the `/metrics` of a process, reduced to what the console shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from valerix.contracts.faults import READ_FAULTS
from valerix.contracts.revocations import LIST_REVOKED

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, float("inf"))
"""Upper bounds of the histograms of every service and of the gateway, in seconds."""
COUNT, SUM, ERRORS, SECONDS, BUCKETS = 0, 1, 2, 3, 4
WIDTH: Final = BUCKETS + len(BOUNDS)
"""Length of a row of traffic: answers, their seconds, failed answers, time covered, buckets."""
TIMED: Final = WIDTH - 1
"""Index of the last bucket, which has all answers whose duration is known."""
ALL, PLACING = "all", "placing"
_QUIET = frozenset({"/ready", "/health", "/health/deep", "/metrics", LIST_REVOKED, READ_FAULTS})
"""The platform's own periodic requests do not count as traffic."""
_PLACING = ("POST", "/api/v1/orders")
_SERVICE, _TRAEFIK = (
    "http_request_duration_seconds_",
    "traefik_entrypoint_request_duration_seconds_",
)
_HAPROXY = "haproxy_frontend_http_responses_total"
"""HAProxy counts answers, but does not time them."""
_COLUMN = {"count": COUNT, "sum": SUM}
_LABELED = {
    "circuit_breaker_state": "dependency",
    "call_attempts_total": "dependency",
    "orders_created_total": "status",
}
_PLAIN = frozenset(
    {
        "inventory_low_stock_items",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "outbox_pending",
    }
)
WANTED: Final = sorted([*_PLAIN, *_LABELED, *(_SERVICE + part for part in ("bucket", *_COLUMN))])
"""Names of the metrics that are read; not among them: the stock levels of 10,000 products."""
KNOWN_LINES: Final = 20_000


def no_traffic() -> list[float]:
    """A row of traffic of zeros."""
    return [0.0] * WIDTH


@dataclass
class ProcessReading:
    """The metrics of one process at one moment; counters count since its start."""

    traffic: dict[str, list[float]] = field(
        default_factory=lambda: {ALL: no_traffic(), PLACING: no_traffic()}
    )
    values: dict[str, float] = field(default_factory=dict)
    labeled: dict[str, dict[str, float]] = field(
        default_factory=lambda: {name: {} for name in _LABELED}
    )

    @property
    def started_at(self) -> float:
        """Start of the process, Unix seconds; 0 when it does not say."""
        return self.values.get("process_start_time_seconds", 0.0)


class _Line(NamedTuple):
    """The place of the number of one metrics line in a reading."""

    name: str
    label: str = ""
    columns: tuple[int, ...] = ()
    placing: bool = False


def read(text: str) -> ProcessReading:
    """Read the Prometheus text format; lines outside WANTED are skipped."""
    reading = ProcessReading()
    for line in text.splitlines():
        name, _, number = line.rpartition(" ")
        meaning = _meaning(name)
        if meaning is None:
            continue
        value = float(number)
        if meaning.columns:
            for column in meaning.columns:
                reading.traffic[ALL][column] += value
                if meaning.placing:
                    reading.traffic[PLACING][column] += value
        elif meaning.label:
            series = reading.labeled[meaning.name]
            series[meaning.label] = series.get(meaning.label, 0.0) + value
        else:
            reading.values[meaning.name] = value
    return reading


@lru_cache(maxsize=KNOWN_LINES)
def _meaning(text: str) -> _Line | None:
    """The meaning of a line; cached, because the same few lines come with every reading."""
    name, _, rest = text.partition("{")
    if name in _PLAIN:
        return _Line(name)
    if not rest:
        return None
    labels = dict(_label(pair) for pair in rest.rstrip("}").split('",') if pair)
    if name in _LABELED:
        return _Line(name, labels[_LABELED[name]])
    return _answers(name, labels)


def _answers(name: str, labels: dict[str, str]) -> _Line | None:
    """The answers of a service, or of a gateway at its public port.

    Answers to the platform's own requests are left out.
    """
    if name.startswith(_SERVICE):
        counted = labels["endpoint"] not in _QUIET
        placing = (labels["method"], labels["endpoint"]) == _PLACING
        part, status = name.removeprefix(_SERVICE), labels["status"]
    elif name.startswith(_TRAEFIK):
        # The duration of a WebSocket is that of its page.
        counted = labels["entrypoint"] == "web" and labels["protocol"] != "websocket"
        placing, part, status = False, name.removeprefix(_TRAEFIK), labels["code"]
    elif name == _HAPROXY:
        counted = labels["proxy"] == "web" and labels["code"] != "1xx"
        placing, part, status = False, "count", labels["code"]
    else:
        return None
    return _traffic(part, labels, status, placing) if counted else None


def _label(pair: str) -> tuple[str, str]:
    key, _, value = pair.partition("=")
    return key, value.strip('"')


def _traffic(part: str, labels: dict[str, str], status: str, placing: bool) -> _Line | None:
    failed = status.startswith("5")
    if part == "bucket":
        return _Line(part, columns=(BUCKETS + BOUNDS.index(float(labels["le"])),), placing=placing)
    if part not in _COLUMN:
        return None
    return _Line(
        part,
        columns=(COUNT, ERRORS) if failed and part == "count" else (_COLUMN[part],),
        placing=placing,
    )


# --- arithmetic


def difference(now: Sequence[float], before: Sequence[float], seconds: float) -> list[float]:
    """Traffic between two readings; lower counters mean that the process has restarted."""
    began_anew = now[COUNT] < before[COUNT]
    row = list(now) if began_anew else [max(0.0, a - b) for a, b in zip(now, before, strict=True)]
    row[SECONDS] = seconds
    return row


def together(rows: Sequence[Sequence[float]]) -> list[float]:
    """The sum of copies that ran at the same time."""
    row = total(rows)
    row[SECONDS] = max(each[SECONDS] for each in rows)
    return row


def total(rows: Iterable[Sequence[float]]) -> list[float]:
    """The sum of consecutive moments."""
    found = no_traffic()
    for row in rows:
        found = [a + b for a, b in zip(found, row, strict=True)]
    return found


def average_ms(traffic: Sequence[float]) -> float | None:
    """Average duration of timed answers; None without any."""
    return 1000 * traffic[SUM] / traffic[TIMED] if traffic[TIMED] else None


def percentile_ms(traffic: Sequence[float], share: float) -> float | None:
    """A percentile, interpolated within its bucket as Prometheus does.

    Above the last finite bound, that bound.
    """
    if not traffic[TIMED]:
        return None
    wanted, below, lower = share * traffic[TIMED], 0.0, 0.0
    for count, upper in zip(traffic[BUCKETS:], BOUNDS, strict=True):
        if count >= wanted:
            if upper == float("inf"):
                break
            within = (wanted - below) / (count - below) if count > below else 0.0
            return 1000 * (lower + (upper - lower) * within)
        below, lower = count, upper
    return 1000 * BOUNDS[-2]
