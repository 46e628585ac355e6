"""The current password of a signed-in user: required for changes of how an account is reached."""

from valerix.chassis.limits.origin import Origin
from valerix.chassis.postgres.database import Database
from valerix.users import domain
from valerix.users.audit import record
from valerix.users.domain import AccountCredentials
from valerix.users.limits import SignInLimits
from valerix.users.passwords import PasswordPool
from valerix.users.repository import accounts


class Reauthentication:
    """Checks the password as a sign-in does: limited, and with a refusal on record."""

    def __init__(self, database: Database, passwords: PasswordPool, limits: SignInLimits) -> None:
        self._database = database
        self._passwords = passwords
        self._limits = limits

    async def check(self, user_id: str, password: str, origin: Origin) -> AccountCredentials:
        """Check the password, and return the checked credentials.

        Raises WrongPassword, RateLimited, Unavailable.
        """
        async with self._limits.guess(user_id, origin.network):
            async with self._database.connection() as connection:
                held = await accounts.hold_credentials(connection, user_id)
            matches = await self._passwords.verify(held.password_hash if held else None, password)
            if held is None or not matches:
                async with self._database.connection() as connection:
                    await record(
                        connection, "password.refused", origin, actor=user_id, subject=user_id
                    )
                raise domain.WrongPassword
            return held
