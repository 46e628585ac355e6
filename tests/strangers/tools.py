"""Finds the tools and runs them."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
INSTALLED: Final = HERE.parents[1] / ".strangers"
PYTHON: Final = INSTALLED / "python" / "bin" / "python"
NODE_MODULES: Final = INSTALLED / "node" / "node_modules"
SECONDS: Final = 180

needs_python: Final = pytest.mark.skipif(
    not PYTHON.exists(), reason="tools are missing: run tests/strangers/install"
)
needs_node: Final = pytest.mark.skipif(
    not NODE_MODULES.exists() or shutil.which("node") is None,
    reason=(
        "tools are missing: install the packages nodejs and npm, then run tests/strangers/install"
    ),
)
needs_promtool: Final = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: install the package prometheus"
)


def run(*command: str | Path, folder: Path, given: str = "", **environment: str) -> str:
    """Runs a tool, which must succeed, with `given` as its standard input; returns its output."""
    words = [str(word) for word in command]
    path = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"{' '.join(words)}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def node(package: str, script: str) -> tuple[str, Path]:
    """Returns the command line of a Node package's script."""
    return "node", NODE_MODULES / package / script
