-- The audit has the acts of staff in every service, too: from the bus, without addresses, which stay where it happened.
ALTER TABLE audit ADD COLUMN service text NOT NULL DEFAULT 'users'; -- where it happened
ALTER TABLE audit ADD COLUMN role text;                             -- of the actor; null when not known
ALTER TABLE audit ALTER COLUMN address DROP NOT NULL, ALTER COLUMN user_agent DROP NOT NULL;
CREATE INDEX audit_service ON audit (service, id);

-- What was received, so that a message has its effect once however often it comes.
CREATE TABLE inbox (
    consumer    text NOT NULL,
    message_id  text NOT NULL,                -- of a message, or `<message>#<place>` of one of its events
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);

-- Events that could not be processed. They wait for their cause to be mended and for a replay.
CREATE TABLE dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text NOT NULL,
    event       json NOT NULL,
    error       text NOT NULL,
    attempts    integer NOT NULL,
    failed_at   timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
