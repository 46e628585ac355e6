"""What orders make of what other services tell."""

from valerix.chassis.postgres.database import Transaction
from valerix.orders import repository


async def remember_customers(tx: Transaction, seen: list[tuple[str, str, int]]) -> None:
    """Keep (customer, standing, sequence) where it is newer than what is known."""
    latest = {customer: (customer, standing, sequence) for customer, standing, sequence in sorted(seen, key=_sequence)}
    await repository.upsert_customers(tx, list(latest.values()))


def _sequence(seen: tuple[str, str, int]) -> int:
    return seen[2]


async def wake_backorders(tx: Transaction, product_ids: list[str]) -> None:
    """Orders waiting for these products are due now."""
    await repository.make_backorders_due(tx, product_ids)
