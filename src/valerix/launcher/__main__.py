"""The launcher in the background: `python -m valerix.launcher '<plan as JSON>'`."""

import sys
from pathlib import Path

import msgspec

from valerix.launcher import stack
from valerix.launcher.errors import LauncherError
from valerix.launcher.programs import Plan
from valerix.launcher.state import Phase


def main() -> int:
    plan = msgspec.json.decode(sys.argv[1], type=Plan, dec_hook=lambda kind, text: Path(text))
    try:
        state = stack.run(plan, terminal=None, on_ready=lambda _: None)
    except LauncherError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the file the launcher's own output goes to
        return 1
    return 1 if state.phase is Phase.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
