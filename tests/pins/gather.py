"""Gathers all pinned names from the running code."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.pins import samples
from tests.pins.facts import Facts, merged
from tests.pins.places import find
from tests.support.brokers import ValkeyServer
from tests.support.folders import empty_folder

ROOT: Final = Path(__file__).parents[2]
AT_ONCE: Final = 4
"""Number of processes observed concurrently; they mostly wait."""
SECONDS: Final = 120


def gather() -> Facts:
    """Returns the facts of all sections."""
    with empty_folder() as folder, ValkeyServer.running(folder / "valkey") as valkey:
        names = [process.name for process in find("table of processes").SERVICES]
        jobs = [
            (name, folder / name, f"{valkey.url.rpartition('/')[0]}/{number}")
            for number, name in enumerate(names)
        ]
        with ThreadPoolExecutor(AT_ONCE) as observers:
            observed = list(observers.map(_observe, *zip(*jobs, strict=True)))
        return merged([*observed, samples.gather(folder)])


def _observe(name: str, folder: Path, valkey_url: str) -> Facts:
    """Observes one process, in a separate interpreter."""
    folder.mkdir()
    result, log = folder / "facts.json", folder / "log"
    with log.open("wb") as output:
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.pins.observe",
                name,
                str(folder),
                valkey_url,
                str(result),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            stdout=output,
            stderr=output,
            timeout=SECONDS,
            check=False,
        )
    assert ended.returncode == 0, f"{name} could not be observed:\n{log.read_text()[-4000:]}"
    facts: Facts = json.loads(result.read_text())
    return facts
