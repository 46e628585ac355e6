-- Which orders have a product, in the order lists page in. Beside the orders, so that it is written once and not with
-- every version of their rows, as an index on them is.
CREATE TABLE order_products (
    product_id text NOT NULL,
    order_id   uuid NOT NULL
);
INSERT INTO order_products (product_id, order_id)
SELECT DISTINCT line->>0, id FROM orders, json_array_elements(lines) AS line;
ALTER TABLE order_products ADD PRIMARY KEY (product_id, order_id);
DROP INDEX orders_by_product;
ALTER TABLE orders DROP COLUMN product_ids;

-- Those that are due and whose next step needs nobody (domain.UNAIDED) apart from those that ask other services: each is
-- looked for by itself, and a backlog of one kind is nothing to wade through for the other.
DROP INDEX orders_due;
CREATE INDEX orders_due ON orders ((cancel_reason IS NULL AND status IN ('confirmed', 'shipped')), due_at)
    WHERE due_at IS NOT NULL;
