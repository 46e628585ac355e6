"""`migrate` and `seed`: prepare the databases of a stack, whether it runs or not."""

from valerix.cli.options import DataDir
from valerix.launcher import maintenance
from valerix.launcher.job import Seed
from valerix.launcher.terminal import say


def migrate(data_dir: DataDir) -> None:
    """Apply missing migrations to every database; `up` does so by itself."""
    maintenance.prepare(data_dir.resolve(), Seed.NOTHING)
    say("Every database is up to date.")


def seed(data_dir: DataDir) -> None:
    """Add the demo accounts and the demo catalogue; existing data stays as it is."""
    maintenance.prepare(data_dir.resolve(), Seed.DEMO)
    say("The demo accounts and the demo catalogue are there.")
