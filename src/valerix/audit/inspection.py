"""Inspects repeatedly, since a working stack has orders on their way between two databases.

Such an order is consistent a moment later, so only lasting findings count as violations.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from valerix.audit.rules import RULES, Rule
from valerix.audit.snapshot import AuditSnapshot, Finding, Sources

LOOKS: Final = 4
PAUSE_SECONDS: Final = 1.5
UNFINISHED_AFTER_SECONDS: Final = 30.0


class ListedViolation(msgspec.Struct, frozen=True, rename="camel"):
    """One violation, as the report lists it."""

    subject: str
    what: str


class Verdict(msgspec.Struct, frozen=True, rename="camel"):
    """The result of one rule: `value` findings among `checked`.

    Without `binding` they are no violations.
    """

    rule: str
    says: str
    value: int
    checked: int
    binding: bool
    violations: list[ListedViolation]

    @property
    def holds(self) -> bool:
        """Whether the rule has no binding finding."""
        return not (self.binding and self.value)


class AuditReport(msgspec.Struct, frozen=True, rename="camel"):
    """The verdicts of one audit. `sound`: every binding rule holds."""

    sound: bool
    seconds: float
    verdicts: list[Verdict]


async def inspect(
    sources: Sources,
    *,
    unfinished_after_seconds: float = UNFINISHED_AFTER_SECONDS,
    looks: int = LOOKS,
    rules: Sequence[Rule] = RULES,
) -> AuditReport:
    """Check every rule. A violation counts only if each of `looks` inspections finds it."""
    started = time.monotonic()
    verdicts = await _look(sources, unfinished_after_seconds, rules)
    for _ in range(looks - 1):
        suspected = [rule for rule in rules if not verdicts[rule.name].holds]
        if not suspected:
            break
        await asyncio.sleep(PAUSE_SECONDS)
        again = await _look(sources, unfinished_after_seconds, suspected)
        verdicts |= {name: _lasting(verdicts[name], verdict) for name, verdict in again.items()}
    ordered = [verdicts[rule.name] for rule in rules]
    return AuditReport(all(v.holds for v in ordered), round(time.monotonic() - started, 2), ordered)


async def _look(
    sources: Sources, unfinished_after_seconds: float, rules: Sequence[Rule]
) -> dict[str, Verdict]:
    async with AuditSnapshot.gather(sources, unfinished_after_seconds) as snapshot:
        return {rule.name: _verdict(rule, await rule.judge(snapshot)) for rule in rules}


def _verdict(rule: Rule, finding: Finding) -> Verdict:
    violations = [ListedViolation(*violation) for violation in finding.violations]
    return Verdict(rule.name, rule.says, finding.found, finding.checked, rule.binding, violations)


def _lasting(before: Verdict, now: Verdict) -> Verdict:
    """Return the violations found both times; if a list was incomplete, the ones found now."""
    if now.value > len(now.violations) or before.value > len(before.violations):
        return now
    known = {violation.subject for violation in before.violations}
    lasting = [violation for violation in now.violations if violation.subject in known]
    return msgspec.structs.replace(now, value=len(lasting), violations=lasting)
