"""The first five minutes of a new user: up, the printed order, down, up again."""

import json
import os
import subprocess
from pathlib import Path

from tests.support.stack import Stack


def test_up_prints_an_order_that_works_and_a_second_up_finds_it(data_dir: Path) -> None:
    stack = Stack(data_dir)
    try:
        printed = stack.up()
        order = paste(printed)
        assert order["status"] == "confirmed"
        assert order["total"] == {"amountMinor": 259_800, "currency": "USD"}
        stack.down()
        again = paste(stack.up())
        assert again["id"] != order["id"]
        listed = json.loads(stack.cli("order", "list", "--json").stdout)
        assert {order["id"], again["id"]} <= {one["id"] for one in listed["items"]}
    finally:
        stack.down()


def test_a_killed_launcher_takes_everything_along_and_the_next_up_works(data_dir: Path) -> None:
    stack = Stack(data_dir)
    try:
        stack.up()
        order = paste(stack.cli("up", "--detach").stdout)
        pids = [stack.pid(name) for name in stack.state["processes"]]
        os.kill(stack.state["launcher"]["pid"], 9)
        again = paste(stack.up())
        assert again["id"] != order["id"]
        assert not [pid for pid in pids if is_alive(pid) and pid in {stack.pid(n) for n in stack.state["processes"]}]
    finally:
        stack.down()


def paste(printed: str) -> dict[str, object]:
    """Run the last line `up` printed, as a person would, and read the answer."""
    command = printed.strip().splitlines()[-1]
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(")") + 2] != "Z"
