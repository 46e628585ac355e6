"""Where the packages that carry servers for us are installed."""

import importlib.util
from pathlib import Path

from valerix.launcher.errors import LauncherError


def package_folder(name: str) -> Path:
    """Found without importing the package: importing costs time and, in one case, leaves lock files behind."""
    package = importlib.util.find_spec(name)
    if package is None or package.origin is None:
        raise LauncherError(f"The Python package {name} is not installed: run ./valerix from the repository")
    return Path(package.origin).parent
