-- Only what ended badly is looked for by its status; what waits is found by when it is due. Every message was entered
-- here twice on its way from queued to sent.
DROP INDEX notifications_by_status;
CREATE INDEX notifications_unsent ON notifications (status, id) WHERE status IN ('failed', 'skipped');
