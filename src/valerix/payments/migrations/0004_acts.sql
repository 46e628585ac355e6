-- What staff, and services by a public route, did here: written in the transaction of what it changed. Rows stay; the
-- relay of acts marks those that have left for the bus.
CREATE TABLE acts (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- of its message on the bus
    id          uuid NOT NULL UNIQUE,        -- UUIDv7; the audit of users knows it by this id, too
    act         text NOT NULL,               -- contracts/acts.py: a stable name
    actor       text NOT NULL,               -- user id, or name of a service
    role        text NOT NULL,
    address     text,                        -- of the client: never leaves this database; null after a year
    trace_id    text NOT NULL,
    subject     text NOT NULL,               -- id of what it was done to
    what        json NOT NULL,               -- amount, reason, changed fields, …: never secrets
    occurred_at timestamptz NOT NULL DEFAULT now(),
    emitted     boolean NOT NULL DEFAULT false
);
CREATE INDEX acts_by_subject ON acts (subject, number);
CREATE INDEX acts_by_trace ON acts (trace_id);
CREATE INDEX acts_to_emit ON acts (number) WHERE NOT emitted;
