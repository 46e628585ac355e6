-- What is pruned lies at one end of the table, where readers look for the oldest event that is kept.
ALTER TABLE live_events SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Only what somebody asked for has a key; the others, three writes each, need no place in its index.
ALTER TABLE notifications DROP CONSTRAINT notifications_idempotency_key_key;
CREATE UNIQUE INDEX notifications_keyed ON notifications (idempotency_key) WHERE idempotency_key IS NOT NULL;
