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
    SELECT array_agg(payment_id ORDER BY version), array_agg(version ORDER BY version) FROM told HAVING count(*) > 0;
    RETURN NULL;
END $$;

CREATE TRIGGER put_into_outbox AFTER INSERT ON payment_events
    REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION put_into_outbox();
