-- What is pruned lies at one end of the table, where readers look for the oldest event that is kept.
ALTER TABLE live_events SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
