"""Prepares the databases before the services start: roles, tables, an administrator, demo data.

Runs as a short-lived process of its own, so that the launcher does not keep the services' code in
memory for the rest of its life: `python -m valerix.launcher.databases '<job as JSON>'`. The work
begins when a line arrives on standard input.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from valerix.chassis.postgres.database import SchemaTooNew
from valerix.chassis.postgres.migrations import check_schema, migrate, migrations_of
from valerix.chassis.postgres.provision import provision
from valerix.inventory import demo as inventory_demo
from valerix.launcher import postgres
from valerix.launcher.credentials import Credentials
from valerix.launcher.job import Job, Seed
from valerix.launcher.terminal import say
from valerix.users import demo as users_demo


async def prepare(job: Job) -> None:
    """Do all the work of the job. It is safe to run again.

    Raises SchemaTooNew before any database is changed.
    """
    credentials = Credentials(job.data_dir)
    passwords = credentials.database_passwords
    urls = {
        name: postgres.url(job.port, name, password, name) for name, password in passwords.items()
    }
    await provision(
        postgres.url(job.port, postgres.SUPERUSER, credentials.superuser_password, "postgres"),
        passwords,
    )
    await asyncio.gather(
        *(check_schema(url, migrations_of(service)) for service, url in urls.items())
    )
    await asyncio.gather(*(_migrate(service, url) for service, url in urls.items()))
    if job.seed is not Seed.NOTHING:
        await _seed(urls, credentials, demo=job.seed is Seed.DEMO)


async def _migrate(service: str, url: str) -> None:
    for name in await migrate(url, migrations_of(service)):
        say(f"{service}: applied {name}", flush=True)


async def _seed(urls: dict[str, str], credentials: Credentials, *, demo: bool) -> None:
    await users_demo.seed(
        urls["users"],
        demo_password=credentials.demo_password,
        admin_password=credentials.admin_password,
        demo=demo,
    )
    if demo:
        await inventory_demo.seed(urls["inventory"])


def main() -> None:
    job = msgspec.json.decode(sys.argv[1], type=Job, dec_hook=lambda _, text: Path(text))
    if sys.stdin.readline():
        try:
            asyncio.run(prepare(job))
        except SchemaTooNew as error:
            say(error)
            sys.exit(1)


if __name__ == "__main__":
    main()
