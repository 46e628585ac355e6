-- The same events as before, found in one pass. The rows of a statement reach a trigger without statistics: planned for
-- one row, `low` was worked out anew for each row of a batch; planned for many, all products were read for a few.
-- Measured on batches of 22 reservations: 110 instead of 235 µs of processor time each; 88 without the trigger.
CREATE OR REPLACE FUNCTION put_into_outbox() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO outbox (events)
    WITH change AS (
        SELECT sku, sum(on_hand_delta - reserved_delta) AS units, max(seq) AS last FROM told GROUP BY sku
    ), low AS MATERIALIZED (
        SELECT c.sku, c.last, s.available
        FROM change c JOIN products p USING (sku)
            CROSS JOIN LATERAL (SELECT sum(on_hand - reserved) AS available FROM stock WHERE stock.sku = c.sku) s
        WHERE c.units < 0 AND s.available <= p.low_stock_threshold AND s.available - c.units > p.low_stock_threshold
    ), named AS (
        SELECT m.*, low.available, CASE
            WHEN low.sku IS NOT NULL THEN 'inventory.low_stock'
            WHEN m.on_hand_delta > m.reserved_delta THEN 'inventory.restocked'
            WHEN m.on_hand_delta <> 0 THEN 'inventory.updated' END AS name
        FROM told m LEFT JOIN low ON low.sku = m.sku AND low.last = m.seq
    )
    SELECT json_agg(json_build_array(name, sku || '/' || warehouse_id, seq, occurred_at, trace_id, json_build_object(
        'productId', sku, 'warehouseId', warehouse_id, 'kind', kind, 'onHand', on_hand_after, 'reserved', reserved_after,
        'availableInAll', available, 'orderId', order_id)) ORDER BY seq)
    FROM named WHERE name IS NOT NULL HAVING count(*) > 0;
    RETURN NULL;
END $$;
