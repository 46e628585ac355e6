"""`valerix audit` on a running stack: its output, and that it finds a broken rule."""

import json
from pathlib import Path

from tests.support.stack import ADA, Stack, place


async def test_a_sound_stack_passes_and_a_tampered_one_does_not(stack: Stack) -> None:
    async with stack.api(ADA) as ada:
        assert (await place(ada, {"PROD-010": 1})).status == 201
    assert "Sound, " in stack.cli("audit").stdout
    await stack.rows("inventory", "UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'PROD-010'")
    try:
        text = stack.cli("audit", check=False)
        report = stack.cli("audit", "--json", check=False)
    finally:
        await stack.rows(
            "inventory", "UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'PROD-010'"
        )
    assert (text.returncode, report.returncode) == (1, 1)
    assert "NOT sound" in text.stdout
    (verdict,) = [v for v in json.loads(report.stdout)["verdicts"] if v["value"] and v["binding"]]
    assert (verdict["rule"], verdict["value"]) == ("stock", 2)
    assert verdict["violations"][0]["subject"] == "PROD-010/WH-EAST"
    assert "Sound, " in stack.cli("audit").stdout


def test_without_a_stack_there_is_nothing_to_judge(tmp_path: Path) -> None:
    done = Stack(tmp_path).cli("audit", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No stack is running" in done.stderr
