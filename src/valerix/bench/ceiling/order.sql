-- One complete order, as the separate durable transactions that its services need: accept, reserve, pay, ship
-- and publish.
\set product random(1, 1000)
INSERT INTO orders (id, customer_id, status, total, items)
VALUES (uuidv7(), 'CUST-001', 'pending', 1299, '[{"productId": 17, "quantity": 1, "unitPrice": 1299}]')
RETURNING id AS order_id \gset
BEGIN;
UPDATE stock SET on_hand = on_hand - 1 WHERE product_id = :product AND on_hand >= 1;
INSERT INTO movements (order_id, product_id, delta) VALUES (:order_id::uuid, :product, -1);
COMMIT;
INSERT INTO payments (id, order_id, amount, status) VALUES (uuidv7(), :order_id::uuid, 1299, 'captured');
BEGIN;
UPDATE orders SET status = 'shipped', updated_at = now() WHERE id = :order_id::uuid AND status = 'pending';
INSERT INTO outbox (order_id, type, payload)
VALUES (:order_id::uuid, 'order.shipped', '{"status": "shipped", "total": 1299}');
COMMIT;
