-- Messages to people, and the queue they are sent from.
--
--   queued → sent
--          ↘ failed    refused for good, or tried too often
--          ↘ skipped   nobody to send it to, or a day late: news of yesterday help nobody
CREATE TABLE notifications (
    id              uuid PRIMARY KEY,         -- UUIDv7: sorts by creation time, so lists page on it
    event_id        text,                     -- what it tells; null when somebody asked for it
    channel         text NOT NULL CHECK (channel IN ('email', 'sms')),
    template        text,                     -- null for free text
    recipient       text NOT NULL,            -- customer number, or 'operators'; the address is looked up when sending
    subject         text NOT NULL,
    body            text NOT NULL,
    status          text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'sent', 'failed', 'skipped')),
    attempts        integer NOT NULL DEFAULT 0,   -- also the epoch of a claim: who was overtaken writes nothing
    next_attempt_at timestamptz,              -- while it is being sent: when the claim lapses
    counted_at      timestamptz,              -- when it took its place in the recipient's hour
    last_error      text,
    sent_at         timestamptz,
    created_at      timestamptz NOT NULL,
    idempotency_key bytea UNIQUE,             -- SHA-256 of (principal, method, route, key)
    fingerprint     bytea,                    -- SHA-256 of the body
    UNIQUE (event_id, channel, recipient),
    CHECK ((status = 'queued') = (next_attempt_at IS NOT NULL)),
    CHECK ((status = 'sent') = (sent_at IS NOT NULL))
);
CREATE INDEX notifications_due ON notifications (next_attempt_at) WHERE status = 'queued';
CREATE INDEX notifications_counted ON notifications (channel, recipient, counted_at) WHERE counted_at IS NOT NULL;
CREATE INDEX notifications_by_recipient ON notifications (recipient, id);
CREATE INDEX notifications_by_status ON notifications (status, id) WHERE status <> 'sent';

-- Where customers are reached: kept by the events of users.
CREATE TABLE contacts (
    customer_id text PRIMARY KEY,
    name        text NOT NULL,
    email       text NOT NULL,
    sequence    bigint NOT NULL               -- of the event it is from; an older one changes nothing
);

-- The last events, for whoever is connected and for those who come back. Rows are inserted under a lock that is held
-- until the commit, so ids become visible in their order and reading on from the last one seen misses nothing.
CREATE TABLE live_events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner      text,                          -- customer number; null: for the staff only
    message    json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX live_events_by_owner ON live_events (owner, id) WHERE owner IS NOT NULL;

CREATE TABLE inbox (
    consumer    text NOT NULL,
    message_id  text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);
CREATE INDEX inbox_by_age ON inbox (received_at);

CREATE TABLE dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text NOT NULL,
    event       json NOT NULL,
    error       text NOT NULL,
    attempts    integer NOT NULL,
    failed_at   timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
