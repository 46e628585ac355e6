-- Events on their way to the bus: one row per statement that told something, deleted once the bus has it durably.
-- Filled by a trigger, so that no use case can tell a fact without its event leaving, or an event without its fact.
-- The ledger of movements is the history; what it tells of a stock row (sku/warehouse) is numbered by its seq.
CREATE TABLE outbox (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    events json NOT NULL                      -- [[name, sku/warehouse, seq, time, trace id, data], …]
);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- inventory.low_stock  this movement took the product's available units, over all warehouses, to its threshold or below
-- inventory.restocked  more is available than before: a backorder may go on
-- inventory.updated    the goods on hand changed otherwise
-- Reservations that do none of that are told by their orders.
CREATE FUNCTION put_into_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (events)
    WITH change AS (
        SELECT sku, sum(on_hand_delta - reserved_delta) AS units, max(seq) AS last FROM told GROUP BY sku
    ), low AS (
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

CREATE TRIGGER put_into_outbox AFTER INSERT ON movements
    REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION put_into_outbox();
