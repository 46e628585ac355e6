-- Messages that are being sent: one row for a whole batch instead of a version of each of its messages, with all their
-- words and index entries. Deleted when the batch is settled; after `lapses_at` its messages are anybody's again.
CREATE TABLE claims (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    messages  uuid[] NOT NULL,
    lapses_at timestamptz NOT NULL
);

-- A place in the recipient's hour is taken by what was sent and by what is being sent, so it needs no time of its own.
DROP INDEX notifications_counted;
ALTER TABLE notifications DROP COLUMN counted_at;
CREATE INDEX notifications_sent ON notifications (channel, recipient, sent_at) WHERE sent_at IS NOT NULL;
