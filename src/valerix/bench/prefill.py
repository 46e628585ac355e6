"""Fills a stack with any number of past orders and all their rows, by statements over sets.

Nearly all orders are completed; some were declined, some cancelled and refunded. Every database
computes the same order from its number, so no data is sent between them, and the audit holds. The
provider's ledger is written from the payments.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncpg.connection import Connection

from valerix.bench import catalogue
from valerix.contracts.states import (
    ChargeStatus,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReservationStatus,
    sql,
)
from valerix.psp.book import Entry
from valerix.psp.schemas import LedgerCharge, LedgerRefund

_PENDING, _CONFIRMED, _PROCESSING = (
    sql(OrderStatus.PENDING),
    sql(OrderStatus.CONFIRMED),
    sql(OrderStatus.PROCESSING),
)
_SHIPPED, _COMPLETED = sql(OrderStatus.SHIPPED), sql(OrderStatus.COMPLETED)
_FAILED, _CANCELLED = sql(OrderStatus.FAILED), sql(OrderStatus.CANCELLED)
_CAPTURED, _DECLINED = sql(PaymentStatus.CAPTURED), sql(PaymentStatus.DECLINED)
_REFUNDED, _SUCCEEDED = sql(PaymentStatus.REFUNDED), sql(RefundStatus.SUCCEEDED)
_RESERVED, _RELEASED = sql(ReservationStatus.RESERVED), sql(ReservationStatus.RELEASED)
_COMMITTED = sql(ReservationStatus.COMMITTED)
CHUNK: Final = 100_000
PAST_DAYS: Final = 90
AGO: Final = timedelta(hours=25)
"""Age of the youngest prefilled order.

Its events were not published, and the audit expects the effects of all events of the last day.
"""
LEDGER_BATCH: Final = 10_000
ORDER_BYTES: Final = 7200
"""Disk space of an order, measured over all databases and the ledger."""

_MILLISECONDS: Final = (
    "floor(extract(epoch FROM $1::timestamptz + n * $2::interval) * 1000)::bigint"
)
# Order number n, the same in every database: its id is a UUIDv7 of its time, so it sorts as real
# ids do.
_ORDERS: Final = f"""
    SELECT n, at, total_minor, quantity, sku, customer_id, kind,
           id::uuid AS id, overlay(id PLACING 'b' FROM 20 FOR 1)::uuid AS payment_id,
           overlay(id PLACING 'a' FROM 20 FOR 1)::uuid AS refund_id
    FROM (
        SELECT n, $1::timestamptz + n * $2::interval AS at, 1 + n % 3 AS quantity,
               (1 + n % 3) * {catalogue.PRICE_MINOR}::bigint AS total_minor,
               'BENCH-' || lpad((1 + n % {catalogue.PRODUCTS})::text, 5, '0') AS sku,
               'CUST-' || 100001 + n % {catalogue.CUSTOMERS} AS customer_id,
               CASE WHEN n % 40 = 0 THEN {_CANCELLED} WHEN n % 25 = 0 THEN {_FAILED}
                    WHEN n > $5::bigint THEN {_CONFIRMED} ELSE {_COMPLETED} END AS kind,
               regexp_replace(
                   lpad(to_hex({_MILLISECONDS}), 12, '0')
                   || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15),
                   '(.{{8}})(.{{4}})(.{{4}})(.{{4}})(.{{12}})', '\\1-\\2-\\3-\\4-\\5') AS id
        FROM generate_series($3::bigint, $4::bigint) AS n
    ) o
"""
_STEPS: Final = f"""
    (VALUES ({_COMPLETED}, 1, 'created', {_PENDING}), ({_COMPLETED}, 2, {_CONFIRMED}, {_CONFIRMED}),
            ({_COMPLETED}, 3, {_PROCESSING}, {_PROCESSING}),
            ({_COMPLETED}, 4, {_SHIPPED}, {_SHIPPED}),
            ({_COMPLETED}, 5, {_COMPLETED}, {_COMPLETED}),
            ({_CONFIRMED}, 1, 'created', {_PENDING}), ({_CONFIRMED}, 2, {_CONFIRMED}, {_CONFIRMED}),
            ({_CANCELLED}, 1, 'created', {_PENDING}), ({_CANCELLED}, 2, {_CONFIRMED}, {_CONFIRMED}),
            ({_CANCELLED}, 3, {_CANCELLED}, {_CANCELLED}),
            ({_FAILED}, 1, 'created', {_PENDING}), ({_FAILED}, 2, {_FAILED}, {_FAILED})
    ) AS step (kind, version, event, status)
"""

_REPRESENTATION: Final = (
    '{"id":"%s","customerId":"%s","status":"%s",'
    '"items":[{"productId":"%s","productName":"Benchmark","quantity":%s,'
    f'"unitPrice":{{"amountMinor":{catalogue.PRICE_MINOR},"currency":"USD"}},'
    '"lineTotal":{"amountMinor":%s,"currency":"USD"}}],'
    '"total":{"amountMinor":%s,"currency":"USD"},"paymentMethod":"card_ok","paymentId":"%s",'
    '"inventoryUpdated":%s,"reservation":null,"onShortage":"hold","shippingAddress":null,'
    '"errorCode":null,"errorMessage":null,"version":%s,"createdAt":"%s","updatedAt":"%s"}'
)
"""Representation of an order in events and answers, for `format`."""

_INSERT_ORDERS: Final = f"""
    WITH made AS ({_ORDERS}), known AS (
        INSERT INTO orders (id, customer_id, status, version, lines, payment_method, on_shortage,
                            currency, total_minor, allocations, payment_id, error_code,
                            error_message, idempotency_key, fingerprint, answer_status,
                            answer_version, answer_body, due_at, created_at, updated_at)
        SELECT id, customer_id, kind,
               CASE kind WHEN {_COMPLETED} THEN 5 WHEN {_CANCELLED} THEN 3 ELSE 2 END,
               json_build_array(
                   json_build_array(sku, quantity, 'Benchmark', {catalogue.PRICE_MINOR})),
               CASE kind WHEN {_FAILED} THEN 'card_declined' ELSE 'card_ok' END, 'hold',
               '{catalogue.CURRENCY}', total_minor,
               CASE WHEN kind IN ({_COMPLETED}, {_CONFIRMED}) THEN json_build_array(
                   json_build_array(sku, '{catalogue.WAREHOUSE}', quantity)) END,
               payment_id,
               CASE kind WHEN {_FAILED} THEN 'payment_declined'
                         WHEN {_CANCELLED} THEN 'order_cancelled' END,
               CASE kind WHEN {_FAILED} THEN 'The payment was declined'
                         WHEN {_CANCELLED} THEN 'Cancelled' END,
               sha256(id::text::bytea), sha256(sku::bytea),
               CASE kind WHEN {_FAILED} THEN 402 ELSE 201 END, 2,
               CASE kind WHEN {_FAILED} THEN '{{"code":"payment_declined"}}' END,
               CASE kind WHEN {_CONFIRMED} THEN now() + interval '10 years' END,
               at, at + interval '4 s'
        FROM made
    ), listed AS (
        INSERT INTO order_products (product_id, order_id) SELECT sku, id FROM made
    )
    INSERT INTO order_events (order_id, version, type, data, trace_id, occurred_at)
    SELECT id, version, 'order.' || event,
           format('{_REPRESENTATION}', id, customer_id, status, sku, quantity, total_minor,
                  total_minor, payment_id, (version > 1)::text, version, said, said)::json,
           md5(n::text), at + (version - 1) * interval '1 s'
    FROM (
        SELECT *, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS said FROM made
    ) o JOIN {_STEPS} USING (kind)
"""
_INSERT_PAYMENTS: Final = f"""
    WITH made AS ({_ORDERS}), paid AS (
        INSERT INTO payments (id, order_id, customer_id, amount_minor, currency, method, status,
                              reason, provider_reference, captured_minor, refunded_minor, version,
                              created_at, updated_at)
        SELECT payment_id, id::text, customer_id, total_minor, '{catalogue.CURRENCY}',
               CASE kind WHEN {_FAILED} THEN 'card_declined' ELSE 'card_ok' END,
               CASE kind WHEN {_FAILED} THEN {_DECLINED} WHEN {_CANCELLED} THEN {_REFUNDED}
                         ELSE {_CAPTURED} END,
               CASE kind WHEN {_FAILED} THEN 'card_declined' END, 'order-' || id,
               CASE kind WHEN {_FAILED} THEN 0 ELSE total_minor END,
               CASE kind WHEN {_CANCELLED} THEN total_minor ELSE 0 END,
               CASE kind WHEN {_CANCELLED} THEN 2 ELSE 1 END, at, at
        FROM made
    ), returned AS (
        INSERT INTO refunds (id, payment_id, amount_minor, reason, status, provider_reference,
                             idempotency_key, fingerprint, created_at, updated_at)
        SELECT refund_id, payment_id, total_minor, 'Cancelled', {_SUCCEEDED},
               'refund-' || refund_id, refund_id::text::bytea, '', at, at
        FROM made WHERE kind = {_CANCELLED}
    )
    INSERT INTO payment_events (payment_id, version, type, data, trace_id, occurred_at)
    SELECT payment_id, version, 'payment.' || status,
           json_build_object('id', payment_id, 'orderId', id, 'status', status, 'version', version),
           md5(n::text), at
    FROM made CROSS JOIN LATERAL (
        SELECT 1, CASE kind WHEN {_FAILED} THEN {_DECLINED} ELSE {_CAPTURED} END
        UNION ALL SELECT 2, {_REFUNDED} WHERE kind = {_CANCELLED}) AS step (version, status)
"""
_INSERT_RESERVATIONS: Final = f"""
    WITH made AS ({_ORDERS}), held AS (
        INSERT INTO reservations (order_id, state, lines, products, created_at, updated_at)
        SELECT id::text,
               CASE kind WHEN {_COMPLETED} THEN {_COMMITTED} WHEN {_CONFIRMED} THEN {_RESERVED}
                         ELSE {_RELEASED} END,
               jsonb_build_array(jsonb_build_object(
                   'productId', sku, 'warehouseId', '{catalogue.WAREHOUSE}', 'quantity', quantity)),
               jsonb_build_array(jsonb_build_object(
                   'productId', sku, 'name', 'Benchmark', 'currency', 'USD',
                   'unitPriceMinor', {catalogue.PRICE_MINOR})), at, at
        FROM made
    ), steps AS (
        SELECT made.*, step, kind_moved, on_hand, reserved
        FROM made CROSS JOIN LATERAL (
            SELECT 1, 'reserve', 0, quantity
            UNION ALL SELECT 2, 'commit', -quantity, -quantity WHERE kind = {_COMPLETED}
            UNION ALL SELECT 2, 'release', 0, -quantity WHERE kind IN ({_CANCELLED}, {_FAILED})
        ) AS step (step, kind_moved, on_hand, reserved)
    ), numbered AS (
        SELECT t.*, s.version + row_number() OVER shelf AS seq,
               s.on_hand + sum(t.on_hand) OVER shelf AS on_hand_after,
               s.reserved + sum(t.reserved) OVER shelf AS reserved_after
        FROM steps t JOIN stock s ON s.sku = t.sku AND s.warehouse_id = '{catalogue.WAREHOUSE}'
        WINDOW shelf AS (PARTITION BY t.sku ORDER BY t.n, t.step)
    ), moved AS (
        INSERT INTO movements (sku, warehouse_id, seq, kind, on_hand_delta, reserved_delta,
                               on_hand_after, reserved_after, order_id, actor, trace_id,
                               occurred_at)
        SELECT sku, '{catalogue.WAREHOUSE}', seq, kind_moved, on_hand, reserved,
               on_hand_after, reserved_after, id::text, 'bench', md5(n::text),
               at + (step - 1) * interval '3 s'
        FROM numbered
    )
    UPDATE stock SET on_hand = l.on_hand_after, reserved = l.reserved_after, version = l.seq
    FROM (SELECT DISTINCT ON (sku) * FROM numbered ORDER BY sku, seq DESC) l
    WHERE stock.sku = l.sku AND stock.warehouse_id = '{catalogue.WAREHOUSE}'
"""
_STATEMENTS: Final = {
    "orders": (_INSERT_ORDERS, ("order_events", "orders", "order_products")),
    "inventory": (_INSERT_RESERVATIONS, ("movements", "stock", "reservations")),
    "payments": (_INSERT_PAYMENTS, ("payment_events", "payments", "refunds")),
}
"""By service: the statement that makes its part, and its tables.

The first table is the history; its events must not be published.
"""


async def fill(databases: Mapping[str, Connection], orders: int, confirmed: int = 0) -> None:
    """Make `orders` orders in the PAST_DAYS before AGO.

    The last `confirmed` of them are not fulfilled yet. The products and customers of the catalogue
    must exist. No other program may write meanwhile.
    """
    past = timedelta(days=PAST_DAYS)
    began, step = datetime.now(UTC) - AGO - past, past / orders

    async def part(service: str) -> None:
        statement, tables = _STATEMENTS[service]
        database, history = databases[service], tables[0]
        for first in range(1, orders + 1, CHUNK):
            async with database.transaction():
                await database.execute(f"ALTER TABLE {history} DISABLE TRIGGER put_into_outbox")
                await database.execute(
                    statement,
                    began,
                    step,
                    first,
                    min(first + CHUNK - 1, orders),
                    orders - confirmed,
                )
                await database.execute(f"ALTER TABLE {history} ENABLE TRIGGER put_into_outbox")
        await database.execute(f"VACUUM ANALYZE {', '.join(tables)}")

    await asyncio.gather(*map(part, _STATEMENTS))


async def ledger(payments: Connection) -> AsyncIterator[list[Entry]]:
    """Yield the provider's ledger entries for the existing payments, one batch at a time."""
    async with payments.transaction():
        rows = await payments.cursor(
            """
            SELECT p.provider_reference, p.status, p.amount_minor, p.currency, p.method, p.reason,
                   r.provider_reference AS refund, r.amount_minor AS refunded
            FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id ORDER BY p.id
            """
        )
        while batch := await rows.fetch(LEDGER_BATCH):
            yield [entry for row in batch for entry in _entries(*row)]


def _entries(
    reference: str,
    status: str,
    amount_minor: int,
    currency: str,
    method: str,
    reason: str | None,
    refund: str | None,
    refunded_minor: int,
) -> Iterator[Entry]:
    charged = ChargeStatus.DECLINED if status == PaymentStatus.DECLINED else ChargeStatus.CAPTURED
    yield LedgerCharge(reference, charged, amount_minor, currency, method, reason)
    if refund is not None:
        yield LedgerRefund(refund, reference, refunded_minor)
