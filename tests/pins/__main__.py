"""`python -m tests.pins`: records the names that the code has now, and prints the differences from
the recorded ones.
"""

import sys

from tests.pins.facts import changes, record, recorded
from tests.pins.gather import gather


def main() -> None:
    before, now = recorded(), gather()
    for section in sorted(before.keys() | now.keys()):
        for change in changes(before.get(section, ()), now.get(section, ())):
            sys.stdout.write(f"{section}: {change}\n")
    record(now)


if __name__ == "__main__":
    main()
