-- Orders that count against the bounds of their customer (orders/bounds.py). Those that are confirmed at once never do.
CREATE TABLE bounded_orders (
    order_id    uuid PRIMARY KEY,
    customer_id text NOT NULL,
    bound       text NOT NULL CHECK (bound IN ('waiting', 'unpaid', 'declined')),
    units       integer NOT NULL,
    since       timestamptz NOT NULL
);
CREATE INDEX bounded_orders_by_customer ON bounded_orders (customer_id);
INSERT INTO bounded_orders (order_id, customer_id, bound, units, since)
SELECT id, customer_id, 'waiting', (SELECT sum((line->>1)::integer) FROM json_array_elements(lines) AS line), updated_at
FROM orders WHERE status = 'pending' AND error_code = 'insufficient_stock';
