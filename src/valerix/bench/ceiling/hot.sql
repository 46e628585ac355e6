-- A naive reservation: every client updates the same row.
BEGIN;
UPDATE stock SET on_hand = on_hand - 1 WHERE product_id = 1001 AND on_hand >= 1;
INSERT INTO movements (order_id, product_id, delta) VALUES (uuidv7(), 1001, -1);
COMMIT;
