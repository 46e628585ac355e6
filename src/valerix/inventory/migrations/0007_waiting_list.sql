-- The waiting list: backorders that are short of stock. What is set aside for them is `reserved` in their stock rows and
-- moved there by movements of the kinds set_aside and give_up, so reserving has nothing to look up.
--
-- Lock order of every transaction:
--   products (sku)  →  stock (sku, warehouse_id)  →  waiting_orders (since, order_id)  →  new rows of reservations (order_id)
-- What is missing of a product changes only under the locks of all its stock rows.
CREATE TABLE waiting_orders (
    order_id      text PRIMARY KEY,
    since         timestamptz NOT NULL, -- when the order was accepted: its place
    trace_id      text NOT NULL,
    version       integer NOT NULL,
    missing       bigint NOT NULL CHECK (missing >= 0), -- units, over its lines
    holding_since timestamptz,          -- since when units are set aside for it while others are missing
    entered_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX waiting_orders_holding ON waiting_orders (order_id) WHERE holding_since IS NOT NULL;

CREATE TABLE waiting_lines (
    order_id  text NOT NULL REFERENCES waiting_orders ON DELETE CASCADE,
    sku       text NOT NULL,
    since     timestamptz NOT NULL,     -- of its order
    quantity  bigint NOT NULL CHECK (quantity > 0),
    missing   bigint NOT NULL CHECK (missing BETWEEN 0 AND quantity),
    set_aside jsonb NOT NULL,           -- [{productId, warehouseId, quantity}]
    PRIMARY KEY (order_id, sku)
);
CREATE INDEX waiting_lines_missing ON waiting_lines (sku, since, order_id) WHERE missing > 0;
CREATE INDEX waiting_lines_held ON waiting_lines (sku) WHERE missing < quantity;

-- What stood in the ledger before is of the kinds there were.
ALTER TABLE movements DROP CONSTRAINT movements_kind_check;
ALTER TABLE movements ADD CONSTRAINT movements_kind_check CHECK (
    kind IN ('receive', 'adjust', 'update', 'reserve', 'release', 'commit', 'set_aside', 'give_up')
) NOT VALID;

-- inventory.reservation_ready  everything an order waits for is set aside for it, or reserved
CREATE FUNCTION tell_ready() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (events)
    SELECT json_agg(json_build_array('inventory.reservation_ready', a.order_id, a.version, clock_timestamp(), a.trace_id,
                                     json_build_object('orderId', a.order_id)) ORDER BY a.since, a.order_id)
    FROM after a JOIN before b USING (order_id)
    WHERE a.missing = 0 AND b.missing > 0
    HAVING count(*) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_ready AFTER UPDATE ON waiting_orders
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION tell_ready();

-- So is an order for which staff reserved stock by hand: the order goes on. It has one reservation, ever.
CREATE FUNCTION tell_reserved_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (events)
    VALUES (json_build_array(json_build_array('inventory.reservation_ready', NEW.subject, 0, NEW.occurred_at, NEW.trace_id,
                                              json_build_object('orderId', NEW.subject))));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_reserved_by_hand AFTER INSERT ON acts
    FOR EACH ROW WHEN (NEW.act = 'stock.reserved') EXECUTE FUNCTION tell_reserved_by_hand();

-- Low stock is told once for each delivery: `brought` is the number of the latest movement that brought goods.
ALTER TABLE stock ADD COLUMN brought bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION put_into_outbox() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO outbox (events)
    WITH change AS (
        SELECT sku, sum(on_hand_delta - reserved_delta) AS units, max(seq) AS last FROM told GROUP BY sku
    ), low AS MATERIALIZED (
        SELECT c.sku, c.last, s.available, s.brought
        FROM change c JOIN products p USING (sku)
            CROSS JOIN LATERAL (
                SELECT sum(on_hand - reserved) AS available, sum(brought) AS brought FROM stock WHERE stock.sku = c.sku
            ) s
        WHERE c.units < 0 AND s.available <= p.low_stock_threshold AND s.available - c.units > p.low_stock_threshold
    ), named AS (
        SELECT m.*, low.available, low.brought, CASE
            WHEN low.sku IS NOT NULL THEN 'inventory.low_stock'
            WHEN m.on_hand_delta > m.reserved_delta THEN 'inventory.restocked'
            WHEN m.on_hand_delta <> 0 THEN 'inventory.updated' END AS name
        FROM told m LEFT JOIN low ON low.sku = m.sku AND low.last = m.seq
    )
    SELECT json_agg(json_build_array(name, sku || '/' || warehouse_id, seq, occurred_at, trace_id, json_build_object(
        'productId', sku, 'warehouseId', warehouse_id, 'kind', kind, 'onHand', on_hand_after, 'reserved', reserved_after,
        'availableInAll', available, 'delivery', brought, 'orderId', order_id)) ORDER BY seq)
    FROM named WHERE name IS NOT NULL HAVING count(*) > 0;
    RETURN NULL;
END $$;
