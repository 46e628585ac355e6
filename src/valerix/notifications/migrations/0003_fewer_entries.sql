-- A message is entered in each index three times on its way from queued to sent, so an index less is felt.
-- Only what ended badly is looked for by its status; what waits is found by when it is due.
DROP INDEX notifications_by_status;
CREATE INDEX notifications_unsent ON notifications (status, id) WHERE status IN ('failed', 'skipped');
-- What is told has its id from its occasion, channel and recipient: the primary key tells it once.
ALTER TABLE notifications DROP CONSTRAINT notifications_event_id_channel_recipient_key;
