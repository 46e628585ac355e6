"""Customers and accounts."""

from valerix.client import models
from valerix.client.calls.pieces import Calls, part
from valerix.client.steps import Flow


class Customers(Calls):
    """Customers: the accounts that may order."""

    _PATH = "/api/v1/customers"

    def get(self, customer_id: str) -> Flow[models.Customer]:
        """One customer by number. Raises NotFound."""
        return self._get(f"{self._PATH}/{part(customer_id)}", models.Customer)

    def validate(self, customer_id: str) -> Flow[models.CustomerStanding]:
        """Whether a customer may order, and if not, why."""
        return self._get(f"{self._PATH}/{part(customer_id)}/validate", models.CustomerStanding)


class Users(Calls):
    """Accounts of customers and staff."""

    def register(self, name: str, email: str, password: str) -> Flow[models.User]:
        """Create a customer account; it does not sign in.

        Raises Conflict when the address is taken.
        """
        body = {"name": name, "email": email, "password": password}
        return self._send("POST", "/api/v1/users/register", body, models.User, repeatable=False)

    def me(self) -> Flow[models.User]:
        """The account of the caller."""
        return self._get("/api/v1/users/me", models.User)
