-- The same order with one statement for each step.
\set product random(1, 1000)
INSERT INTO orders (id, customer_id, status, total, items)
VALUES (uuidv7(), 'CUST-001', 'pending', 1299, '[{"productId": 17, "quantity": 1, "unitPrice": 1299}]')
RETURNING id AS order_id \gset
WITH taken AS (
    UPDATE stock SET on_hand = on_hand - 1 WHERE product_id = :product AND on_hand >= 1 RETURNING product_id
)
INSERT INTO movements (order_id, product_id, delta) SELECT :order_id::uuid, product_id, -1 FROM taken;
INSERT INTO payments (id, order_id, amount, status) VALUES (uuidv7(), :order_id::uuid, 1299, 'captured');
WITH shipped AS (
    UPDATE orders SET status = 'shipped', updated_at = now() WHERE id = :order_id::uuid AND status = 'pending'
    RETURNING id
)
INSERT INTO outbox (order_id, type, payload)
SELECT id, 'order.shipped', '{"status": "shipped", "total": 1299}' FROM shipped;
