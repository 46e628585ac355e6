"""What has to be in the databases before the services start: roles, tables, and the demo data of a first look."""

import asyncio
from importlib import resources

from valerix.chassis.database import migrate
from valerix.chassis.provision import provision
from valerix.launcher.credentials import Credentials
from valerix.launcher.errors import LauncherError
from valerix.launcher.postgres import SUPERUSER, Cluster


async def prepare(cluster: Cluster, credentials: Credentials) -> dict[str, list[str]]:
    """Roles, databases and tables, brought up to date; the migrations applied now, by service."""
    passwords = credentials.database_passwords
    await provision(cluster.url(SUPERUSER, credentials.superuser_password, "postgres"), passwords)
    applied = await asyncio.gather(*(_migrate(cluster, name, password) for name, password in passwords.items()))
    return dict(zip(passwords, applied, strict=True))


async def _migrate(cluster: Cluster, service: str, password: str) -> list[str]:
    try:
        folder = resources.files(f"valerix.{service}") / "migrations"
        return await migrate(cluster.url(service, password, service), folder)
    except Exception as error:
        raise LauncherError(f"The database of {service} could not be migrated: {error}") from error
