-- Events on their way to the bus: one row per statement that told something, deleted once the bus has it durably.
-- Filled by a trigger, so that no use case can tell a fact without its event leaving, or an event without its fact.
CREATE TABLE outbox (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subjects uuid[] NOT NULL,
    versions integer[] NOT NULL
);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE FUNCTION put_into_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (subjects, versions)
    SELECT array_agg(order_id ORDER BY version), array_agg(version ORDER BY version) FROM told HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE TRIGGER put_into_outbox AFTER INSERT ON order_events
    REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION put_into_outbox();

-- What was confirmed before there was fulfilment is fulfilled now.
UPDATE orders SET due_at = now() WHERE status = 'confirmed';

-- Kept by the events of users and inventory: enough to accept orders while those are away. Never the truth.
CREATE TABLE customers_seen (
    customer_id text PRIMARY KEY,
    standing    text NOT NULL,               -- active or suspended
    sequence    integer NOT NULL,            -- of the event it is from; an older one changes nothing
    seen_at     timestamptz NOT NULL DEFAULT now()
);
