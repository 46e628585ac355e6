-- compatible_from: 0010
-- The last two bytes of order ids, by which people's short forms are found: chance, so few orders share them. After the
-- first three, which are those of the same hours, so that new rows go to few pages (ADR 32). Beside the orders, as their
-- products are: written once, and not with every version of their rows.
CREATE INDEX order_products_by_end ON order_products
    (substring(uuid_send(order_id) FOR 3), substring(uuid_send(order_id) FROM 15));
