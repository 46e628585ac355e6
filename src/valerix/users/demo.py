"""The accounts of a new stack."""

from typing import Final, NamedTuple

from valerix.chassis.postgres.database import Database
from valerix.chassis.postgres.migrations import code_of
from valerix.contracts.roles import ADMIN, CUSTOMER, OPERATOR
from valerix.users import domain
from valerix.users.passwords import hash_password
from valerix.users.repository import accounts as stored
from valerix.users.use_cases import NewUser, add_user

DOMAIN: Final = "demo.valerix.example"


class DemoUser(NamedTuple):
    email: str
    name: str
    role: str = CUSTOMER
    status: str = domain.ACTIVE


CUSTOMERS: Final = (
    DemoUser(f"ada@{DOMAIN}", "Ada Lovelace"),
    DemoUser(f"grace@{DOMAIN}", "Grace Hopper"),
    DemoUser(f"alan@{DOMAIN}", "Alan Turing"),
    DemoUser(f"edsger@{DOMAIN}", "Edsger Dijkstra"),
    DemoUser(f"barbara@{DOMAIN}", "Barbara Liskov"),
    DemoUser(f"donald@{DOMAIN}", "Donald Knuth"),
    DemoUser(f"frances@{DOMAIN}", "Frances Allen"),
    DemoUser(f"tony@{DOMAIN}", "Tony Hoare"),
    DemoUser(f"margaret@{DOMAIN}", "Margaret Hamilton"),
    DemoUser(f"mallory@{DOMAIN}", "Mallory Grey", status=domain.SUSPENDED),
)
"""The demo customers in the order of their numbers, CUST-001 …"""

ADMINISTRATOR: Final = DemoUser("admin@valerix.example", "Administrator", ADMIN)
DEMO_ADMINISTRATOR: Final = DemoUser(f"admin@{DOMAIN}", "Demo Administrator", ADMIN)
DEMO_OPERATOR: Final = DemoUser(f"operator@{DOMAIN}", "Demo Operator", OPERATOR)


async def seed(database_url: str, *, demo_password: str, admin_password: str, demo: bool) -> None:
    """Create the administrator, or with `demo` the demo accounts, which share `demo_password`.

    All or nothing. An account that exists, or has a customer number that is taken, stays as it is.
    """
    accounts = [DEMO_ADMINISTRATOR, DEMO_OPERATOR, *CUSTOMERS] if demo else [ADMINISTRATOR]
    numbers = {account: domain.customer_number(place) for place, account in enumerate(CUSTOMERS, 1)}
    async with (
        Database.open(database_url, size=1, code=code_of("users")) as database,
        database.transaction() as tx,
    ):
        taken = await stored.list_taken_emails(tx, [account.email for account in accounts])
        missing = [account for account in accounts if account.email not in taken]
        if not missing:
            return
        if demo:
            await stored.skip_customer_numbers(tx, len(CUSTOMERS))
        password_hash = hash_password(demo_password if demo else admin_password)
        for email, name, role, status in missing:
            number = numbers.get(DemoUser(email, name, role, status))
            await add_user(tx, NewUser(email, name, password_hash, role, status, number))
