"""Builds a database as an earlier version left it."""

import shutil
from pathlib import Path

from valerix.chassis.postgres.migrations import migrate, migrations_of


async def migrate_up_to(last: str, service: str, url: str, folder: Path) -> None:
    """Apply the service's migrations up to number `last`, from copies in the empty `folder`."""
    for file in migrations_of(service).iterdir():
        if file.name.endswith(".sql") and file.name[:4] <= last:
            shutil.copy(str(file), folder)
    await migrate(url, folder)
