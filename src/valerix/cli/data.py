"""`migrate` and `seed`: the databases of a stack, whether it runs or not."""

from valerix.cli.options import DataDir
from valerix.launcher import databases, maintenance


def migrate(data_dir: DataDir) -> None:
    """Bring every database up to date; `up` does the same by itself."""
    for service, applied in maintenance.run(data_dir.resolve(), databases.prepare).items():
        print(f"{service}: {', '.join(applied) if applied else 'up to date'}")
