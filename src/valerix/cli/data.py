"""`migrate` and `seed`: the databases of a stack, whether it runs or not."""

from valerix.cli.options import DataDir
from valerix.launcher import maintenance
from valerix.launcher.job import Seed


def migrate(data_dir: DataDir) -> None:
    """Bring every database up to date; `up` does the same by itself."""
    maintenance.prepare(data_dir.resolve(), Seed.NOTHING)
    print("Every database is up to date.")


def seed(data_dir: DataDir) -> None:
    """Add the demo accounts and the demo catalogue; what exists stays as it is."""
    maintenance.prepare(data_dir.resolve(), Seed.DEMO)
    print("The demo accounts and the demo catalogue are there.")
