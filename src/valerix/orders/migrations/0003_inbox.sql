-- What was received, so that a message has its effect once however often it comes.
CREATE TABLE inbox (
    consumer    text NOT NULL,
    message_id  text NOT NULL,                -- of a message, or `<message>#<place>` of one of its events
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message_id)
);

-- Events that could not be processed. They wait for somebody who mends the cause and replays them.
CREATE TABLE dead_letters (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text NOT NULL,
    event       json NOT NULL,
    error       text NOT NULL,
    attempts    integer NOT NULL,
    failed_at   timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz
);
