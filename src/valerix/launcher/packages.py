"""Finds the installed packages that carry the servers' programs."""

import importlib.util
from pathlib import Path

from valerix.launcher.errors import LauncherError


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it. Raises LauncherError.

    An import costs time and, for one package, leaves lock files behind.
    """
    package = importlib.util.find_spec(name)
    if package is None or package.origin is None:
        raise LauncherError(
            f"The Python package {name} is not installed: run ./valerix from the repository"
        )
    return Path(package.origin).parent
