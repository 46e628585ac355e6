"""Makes a working tree of one commit with its own .venv, to mutate sources and run tests in."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.mutants.mutant import git


@contextmanager
def scratch(repository: Path, commit: str, kept: Path | None) -> Iterator[Path]:
    """Yield the tree at `kept`, made if it is missing and left for the next run.

    Without `kept`, the tree is a temporary one.
    """
    if kept is not None:
        yield kept.resolve() if kept.exists() else _made(repository, commit, kept.resolve())
        return
    with tempfile.TemporaryDirectory(prefix="valerix-mutants-") as folder:
        tree = _made(repository, commit, Path(folder) / "tree")
        try:
            yield tree
        finally:
            git(repository, "worktree", "remove", "--force", str(tree))


def _made(repository: Path, commit: str, tree: Path) -> Path:
    git(repository, "worktree", "add", "--quiet", "--detach", str(tree), commit)
    subprocess.run([tree / "valerix", "test", "--version"], check=True, stdout=subprocess.DEVNULL)
    return tree
