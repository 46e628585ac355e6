-- One row per order. `version` is the number of its last event; every transition is a compare-and-set on
-- (version, lease_epoch), so whoever lost its lease writes nothing.
CREATE TABLE orders (
    id               uuid PRIMARY KEY,            -- UUIDv7: sorts by creation time, so lists page on it
    customer_id      text NOT NULL,
    status           text NOT NULL CHECK (status IN
                         ('pending', 'confirmed', 'processing', 'shipped', 'completed', 'failed', 'cancelled')),
    version          integer NOT NULL,
    lines            json NOT NULL,
    product_ids      text[] NOT NULL,             -- of the lines, for searching
    payment_method   text NOT NULL,
    on_shortage      text NOT NULL CHECK (on_shortage IN ('hold', 'backorder', 'reject')),
    shipping_address json,
    currency         text,
    total_minor      bigint CHECK (total_minor >= 0),
    allocations      json,                        -- of the live or committed reservation
    payment_id       uuid,
    error_code       text,                        -- why it is pending, or how it ended
    error_message    text,
    cancel_reason    text,                        -- set: this order is on its way to cancelled, whoever drives it
    idempotency_key  bytea UNIQUE,                -- SHA-256 of (principal, method, route, key)
    fingerprint      bytea,
    answer_status    smallint,                    -- HTTP status of the first definite answer
    answer_version   integer,                     -- its body is the data of this event …
    answer_body      text,                        -- … unless it was a refusal, which is kept whole
    due_at           timestamptz,                 -- when somebody must look at it (again); null: nothing to do
    lease_epoch      integer NOT NULL DEFAULT 0,  -- bumped by whoever takes the order over
    attempts         integer NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    CHECK (status <> 'confirmed' OR (total_minor IS NOT NULL AND allocations IS NOT NULL))
);
CREATE INDEX orders_by_customer ON orders (customer_id, id);
CREATE INDEX orders_by_status ON orders (status, id) WHERE status <> 'completed';
CREATE INDEX orders_by_product ON orders USING gin (product_ids);
CREATE INDEX orders_due ON orders (due_at) WHERE due_at IS NOT NULL;

-- What happened to each order, gap-free by version: the timeline people read and the outbox events leave from.
CREATE TABLE order_events (
    order_id    uuid NOT NULL,
    version     integer NOT NULL,
    type        text NOT NULL,
    data        json NOT NULL,                    -- json, not jsonb: a replayed answer is these very bytes
    steps       json,                             -- what the pass that ended in this event did, with durations
    trace_id    text NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, version)
);
