"""The time-outs of the platform in one block.

They depend on one another, so their ratios are checked together.

`VALERIX_TIME_SCALE` shortens all of them by one factor: a test stack recovers from a fault in a
fraction of the time, along the same paths. It is not for production: a busy machine needs the time.
"""

from typing import Final, TypeVar

import msgspec

T = TypeVar("T", bound="Timeouts")
LEAST_LEASE_SECONDS: Final = 2.0
"""Minimum of a scaled lease: a process that only waits for a processor must not lose its work."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Settings like any other (`VALERIX_DEADLINE_SECONDS`, …).

    `chassis.base.settings.load` scales and checks them.
    """

    time_scale: float = 1.0
    """Factor for all time-outs below."""

    deadline_seconds: float = 10.0
    """A request is answered within this time, whatever it waits for."""
    answer_margin_seconds: float = 0.5
    """Part of the deadline that is reserved for writing the result and answering."""

    saga_lease_seconds: float = 20.0
    """How long a saga run owns the orders it drives; a killed process delays them by as much."""
    step_lease_seconds: float = 10.0
    """How long one step owns the effect it works on."""
    step_wait_seconds: float = 2.0
    """How long a call waits for the effect it requested.

    Then it answers that the effect is still under way.
    """
    charge_wait_seconds: float = 0.25
    """How long a batch waits for its slowest charge.

    Slower charges leave the batch and continue together.
    """
    batch_slot_seconds: float = 0.5
    """How long a batch counts as under way.

    New work must not wait behind a slow service or behind repeated calls.
    """
    sweep_wait_seconds: float = 1.0
    """How long a sweep over due work counts as under way. A longer one runs on beside the next."""
    saga_retry_seconds: float = 1.0
    """First pause before a delayed saga continues.

    Each further pause is twice as long, up to `saga_retry_max_seconds`.
    """
    saga_retry_max_seconds: float = 20.0
    """Longest pause before a delayed saga continues.

    So all work resumes within this time after any outage.
    """

    call_timeout_seconds: float = 5.0
    """Time-out of one attempt of a call to another service."""
    call_backoff_seconds: float = 1.0
    """The longest first pause before a retry; each further pause may be twice as long."""
    breaker_window_seconds: float = 10.0
    """The period over which a breaker counts calls."""
    breaker_open_seconds: float = 10.0
    """How long a breaker stays open before it admits one trial call."""

    provider_timeout_seconds: float = 5.0
    """Time-out of one attempt of a call to an external provider."""
    provider_wait_seconds: float = 5.0
    """How long a person waits for a provider's decision.

    Then the answer is that the decision is still under way.
    """
    slow_answer_seconds: float = 15.0
    """Delay of the simulated provider under the faults `timeout-before` and `timeout-after`."""
    stall_seconds: float = 120.0
    """Delay of the simulated provider under the fault `stall`."""

    send_timeout_seconds: float = 40.0
    """Time-out of one attempt to hand over a message."""
    send_lease_seconds: float = 60.0
    """How long a claimed message belongs to the process that claimed it."""

    answer_window_seconds: float = 30.0
    """The period over which the average answer time is computed."""
    restart_steady_seconds: float = 30.0
    """A process that ran at least this long is restarted at once.

    Otherwise the pause before each restart doubles, up to `restart_max_seconds`.
    """
    restart_max_seconds: float = 10.0
    """Longest pause before a restart."""

    def broken_ratios(self) -> list[str]:
        """One line for each ratio that does not hold."""
        slowest = max(self.call_timeout_seconds, self.provider_timeout_seconds)
        ratios = (
            (self.time_scale > 0, "time_scale must be above 0"),
            (
                self.saga_lease_seconds >= 2 * self.deadline_seconds,
                "saga_lease_seconds must be at least twice deadline_seconds:"
                " a saga that runs would lose its work",
            ),
            (
                self.step_lease_seconds < self.saga_lease_seconds,
                "step_lease_seconds must be below saga_lease_seconds:"
                " a saga would go on before its step is decided",
            ),
            (
                self.step_wait_seconds <= self.call_timeout_seconds / 2,
                "step_wait_seconds must be at most half of call_timeout_seconds:"
                " an answer would come too late",
            ),
            (
                self.batch_slot_seconds <= self.call_timeout_seconds / 2,
                "batch_slot_seconds must be at most half of call_timeout_seconds:"
                " an answer would come too late",
            ),
            (
                self.charge_wait_seconds < self.batch_slot_seconds,
                "charge_wait_seconds must be below batch_slot_seconds:"
                " each slow charge would cost its batch the slot",
            ),
            (
                self.sweep_wait_seconds < self.deadline_seconds,
                "sweep_wait_seconds must be below deadline_seconds:"
                " no sweep would go on beside the next",
            ),
            (
                self.provider_wait_seconds <= self.deadline_seconds - self.answer_margin_seconds,
                "provider_wait_seconds must leave answer_margin_seconds of deadline_seconds:"
                " the answer would be late",
            ),
            (
                self.breaker_window_seconds >= 2 * slowest,
                "breaker_window_seconds must be at least twice call_timeout_seconds and"
                " provider_timeout_seconds: the window would end before two calls fail",
            ),
            (
                self.answer_margin_seconds < self.deadline_seconds / 4,
                "answer_margin_seconds must be below a quarter of deadline_seconds:"
                " no time would be left for the work",
            ),
            (
                self.send_timeout_seconds < self.send_lease_seconds,
                "send_timeout_seconds must be below send_lease_seconds:"
                " a message would be sent twice",
            ),
        )
        return [text for holds, text in ratios if not holds]

    def scaled(self: T) -> T:
        """A copy with `time_scale` applied; a lease shortened by it keeps LEAST_LEASE_SECONDS."""
        if self.time_scale == 1:
            return self
        names = (
            field.name
            for field in msgspec.structs.fields(Timeouts)
            if field.name.endswith("_seconds")
        )
        return msgspec.structs.replace(self, **{name: self._scaled(name) for name in names})

    def _scaled(self, name: str) -> float:
        seconds: float = getattr(self, name) * self.time_scale
        return max(seconds, LEAST_LEASE_SECONDS) if name.endswith("_lease_seconds") else seconds


DEFAULT: Final = Timeouts()
