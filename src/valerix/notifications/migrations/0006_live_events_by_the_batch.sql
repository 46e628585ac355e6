-- Live events that are told together are one row: an order has nine, and nine rows with two index entries each cost more
-- than any other statement of this service. Rows are inserted under a lock that is held until the commit, and ids are
-- counted on from the last row, so they become visible in their order and without gaps.
CREATE TABLE live_batches (
    last       bigint PRIMARY KEY,            -- ids of its events: first, first + 1, ... last
    first      bigint NOT NULL,               -- counting owners for it would unpack them anew for every event
    owners     text[] NOT NULL,               -- of each event: a customer number; null: for the staff only
    messages   text[] NOT NULL,               -- of each event: JSON
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (last - first + 1 = cardinality(owners) AND cardinality(owners) = cardinality(messages))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

INSERT INTO live_batches (last, first, owners, messages, created_at)
SELECT id, id, ARRAY[owner], ARRAY[message::text], created_at FROM live_events;

DROP TABLE live_events;
