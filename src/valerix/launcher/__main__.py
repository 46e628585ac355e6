"""The launcher process: `python -m valerix.launcher '<plan as JSON>' [--foreground]`."""

import sys
from pathlib import Path

import msgspec

from valerix.launcher import job, stack
from valerix.launcher.control import explain_failure
from valerix.launcher.errors import LauncherError
from valerix.launcher.logs import Output, Terminal
from valerix.launcher.ports import PortClaims
from valerix.launcher.programs import Plan
from valerix.launcher.state import Phase, StackState
from valerix.launcher.summary import print_summary
from valerix.launcher.terminal import say


def main() -> int:
    """Run the plan given on the command line; return the exit status: 1 if the stack failed."""
    plan = msgspec.json.decode(sys.argv[1], type=Plan, dec_hook=lambda _, text: Path(text))
    try:
        with PortClaims() as claims:
            state = _run(_with_ports(plan, claims), claims, foreground="--foreground" in sys.argv)
    except LauncherError as error:
        say(error, file=sys.stderr)
        return 1
    return 1 if state.phase is Phase.FAILED else 0


def _with_ports(plan: Plan, claims: PortClaims) -> Plan:
    """Choose the plan's free ports in the process that keeps them.

    Between an earlier choice and the start, another launcher could choose the same ports.
    """
    if plan.free_ports is None:
        return plan
    first, last = plan.free_ports
    chosen = claims.choose(plan.replicas, range(first, last + 1))
    return msgspec.structs.replace(plan, ports=chosen | plan.ports, free_ports=None)


def _run(plan: Plan, claims: PortClaims, *, foreground: bool) -> StackState:
    if not foreground:
        return stack.run(plan, claims, None, lambda _: None)
    terminal = Terminal(
        [Output.LAUNCHER, job.NAME, *(instance.name for instance in plan.instances)]
    )
    state = stack.run(plan, claims, terminal, print_summary)
    if state.phase is Phase.FAILED:
        raise LauncherError(explain_failure(state))
    return state


if __name__ == "__main__":
    sys.exit(main())
