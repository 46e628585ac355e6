"""Builds the code of a newer version: this code with further migrations."""

from pathlib import Path

from tests.support.processes import SOURCE
from valerix.chassis.postgres.migrations import migrations_of


def newer(folder: Path, changed: str, **migrations: str) -> Path:
    """Copies this code to `folder` and adds migrations to the service `changed`: `_9001="ALTER
    …"`.
    """
    package, service = folder / "valerix", folder / "valerix" / changed
    (service / "migrations").mkdir(parents=True)
    for copy, of in ((package, SOURCE / "valerix"), (service, SOURCE / "valerix" / changed)):
        for one in of.iterdir():
            if not (copy / one.name).exists():
                (copy / one.name).symlink_to(one)
    for file in migrations_of(changed).iterdir():
        (service / "migrations" / file.name).write_text(file.read_text())
    for number, text in migrations.items():
        (service / "migrations" / f"{number.strip('_')}_newer.sql").write_text(text)
    return folder
