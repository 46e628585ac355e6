"""Products and customers of the load, made by statements over sets; the products do not run out."""

from typing import Final

from asyncpg.connection import Connection

WAREHOUSE: Final = "WH-BENCH"
PRODUCTS: Final = 1000
CUSTOMERS: Final = 1000
"""Number of customers of the prefilled orders."""
PLENTY: Final = 1_000_000_000
"""Units in stock of each product."""
PRICE_MINOR: Final = 1299
CURRENCY: Final = "USD"


def sku(number: int) -> str:
    """Return the SKU of a product; numbers count from 1."""
    return f"BENCH-{number:05}"


def customer(number: int) -> str:
    """Return the number of a customer, above the numbers that the stack assigns itself."""
    return f"CUST-{100_000 + number}"


async def stock_up(
    inventory: Connection, first: int = 1, count: int = PRODUCTS, units: int = PLENTY
) -> None:
    """Make products `first`, `first` + 1, …, each with `units` in one warehouse.

    Existing ones stay as they are.
    """
    await inventory.execute(
        """
        WITH place AS (
            INSERT INTO warehouses (id, name, priority) VALUES ($1, 'Benchmark', 1000)
            ON CONFLICT DO NOTHING
        ), made AS (
            INSERT INTO products (sku, name, price_minor, currency)
            SELECT 'BENCH-' || lpad(n::text, 5, '0'), 'Benchmark ' || n, $5, $6
            FROM generate_series($2::integer, $2 + $3 - 1) AS n ON CONFLICT DO NOTHING RETURNING sku
        ), shelved AS (
            INSERT INTO stock (sku, warehouse_id, on_hand, version) SELECT sku, $1, $4, 1 FROM made
        )
        INSERT INTO movements (sku, warehouse_id, seq, kind, on_hand_delta, reserved_delta,
                               on_hand_after, reserved_after, reason, actor, trace_id, occurred_at)
        SELECT sku, $1, 1, 'receive', $4, 0, $4, 0, 'initial stock', 'bench', '', now() FROM made
        """,
        *(WAREHOUSE, first, count, units, PRICE_MINOR, CURRENCY),
    )


async def register(users: Connection, first: int = 1, count: int = CUSTOMERS) -> None:
    """Make customers `first`, `first` + 1, … Existing ones stay as they are.

    They have no password and cannot sign in; the benchmark signs their tokens.
    """
    await users.execute(
        """
        WITH made AS (
            INSERT INTO users (id, email, name, role, status, customer_number, password_hash,
                               version)
            SELECT gen_random_uuid(), 'bench-' || n || '@bench.valerix.example', 'Bench ' || n,
                   'customer', 'active', 'CUST-' || 100000 + n, '!', 1
            FROM generate_series($1::integer, $1 + $2 - 1) AS n ON CONFLICT DO NOTHING RETURNING *
        )
        INSERT INTO user_events (user_id, version, type, data, actor, trace_id)
        SELECT id, 1, 'customer.registered', json_build_object(
                   'id', id, 'email', email, 'name', name, 'role', role, 'status', status,
                   'customerId', customer_number, 'version', 1,
                   'createdAt', created_at, 'updatedAt', updated_at), 'bench', ''
        FROM made
        """,
        *(first, count),
    )
