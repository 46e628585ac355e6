-- Lock order of every transaction, so that none can wait in a circle:
--   products (sku)  →  stock (sku, warehouse_id)  →  new rows of reservations (order_id)
-- A reservation that has lines is guarded by their stock rows and is never locked by itself.

CREATE TABLE products (
    sku                 text PRIMARY KEY CHECK (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$'),
    name                text NOT NULL,
    description         text NOT NULL DEFAULT '',
    price_minor         bigint NOT NULL CHECK (price_minor >= 0),
    currency            text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    active              boolean NOT NULL DEFAULT true,
    low_stock_threshold integer NOT NULL DEFAULT 0 CHECK (low_stock_threshold >= 0),
    version             bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE warehouses (
    id         text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$'),
    name       text NOT NULL,
    priority   integer NOT NULL, -- the lowest number is taken from first
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE stock (
    sku          text NOT NULL REFERENCES products,
    warehouse_id text NOT NULL REFERENCES warehouses,
    on_hand      bigint NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    reserved     bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    version      bigint NOT NULL DEFAULT 0, -- seq of its latest movement
    PRIMARY KEY (sku, warehouse_id),
    CHECK (reserved <= on_hand)
) WITH (fillfactor = 50); -- a hot row is rewritten in its own page, without touching the index

-- One row per order, for ever.   reserve: → reserved;   release: reserved → released;   commit: reserved → committed.
-- A release that comes first leaves `released` without lines: the late reserve is refused.
CREATE TABLE reservations (
    order_id   text PRIMARY KEY,
    state      text NOT NULL CHECK (state IN ('reserved', 'released', 'committed')),
    lines      jsonb NOT NULL, -- [{productId, warehouseId, quantity}], never changed
    products   jsonb NOT NULL, -- names and prices as they were promised, never changed
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);

-- The ledger: every change of a stock row, numbered without gaps. No foreign key: rows are written only together
-- with their stock row, and the check would cost more than the insert.
CREATE TABLE movements (
    sku             text NOT NULL,
    warehouse_id    text NOT NULL,
    seq             bigint NOT NULL,
    kind            text NOT NULL
                    CHECK (kind IN ('receive', 'adjust', 'update', 'reserve', 'release', 'commit')),
    on_hand_delta   bigint NOT NULL,
    reserved_delta  bigint NOT NULL,
    on_hand_after   bigint NOT NULL,
    reserved_after  bigint NOT NULL,
    order_id        text,
    idempotency_key text,
    reason          text,
    actor           text NOT NULL,
    trace_id        text NOT NULL,
    occurred_at     timestamptz NOT NULL,
    PRIMARY KEY (sku, warehouse_id, seq)
);
-- No step of an order can move the same goods twice, whatever the code above believes.
CREATE UNIQUE INDEX movements_order_step ON movements (order_id, sku, warehouse_id, kind)
    WHERE kind IN ('reserve', 'release', 'commit');
CREATE UNIQUE INDEX movements_keyed ON movements (actor, kind, idempotency_key, sku, warehouse_id)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX movements_timeline ON movements (sku, occurred_at, warehouse_id, seq);

-- First answers of changes that carried an idempotency key; kept as long as the ledger they belong to.
CREATE TABLE keyed_changes (
    lookup_key  bytea PRIMARY KEY, -- SHA-256 of principal, method, route and key
    fingerprint bytea NOT NULL,
    answer      jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- The stock of each product, in total and per warehouse, as people read it.
CREATE VIEW inventory AS
SELECT p.sku, p.name, p.active, p.low_stock_threshold, s.on_hand, s.reserved, s.on_hand - s.reserved AS available,
       p.active AND s.on_hand - s.reserved <= p.low_stock_threshold AS low_stock, s.warehouses
FROM products p
CROSS JOIN LATERAL (
    SELECT coalesce(sum(s.on_hand), 0)::bigint AS on_hand, coalesce(sum(s.reserved), 0)::bigint AS reserved,
           coalesce(json_agg(json_build_object(
               'warehouseId', w.id, 'onHand', s.on_hand, 'reserved', s.reserved, 'available', s.on_hand - s.reserved
           ) ORDER BY w.priority, w.id), '[]') AS warehouses
    FROM stock s JOIN warehouses w ON w.id = s.warehouse_id
    WHERE s.sku = p.sku
) s;
