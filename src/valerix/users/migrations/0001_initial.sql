-- One row per person who can sign in. A customer is a user with a customer number.
CREATE TABLE users (
    id              uuid PRIMARY KEY,              -- UUIDv7: sorts by creation time, so lists page on it
    email           text NOT NULL UNIQUE CHECK (email = lower(email)),
    name            text NOT NULL,
    role            text NOT NULL CHECK (role IN ('customer', 'operator', 'admin')),
    status          text NOT NULL CHECK (status IN ('active', 'suspended')),
    customer_number text UNIQUE,                   -- e.g. CUST-001; null for staff
    password_hash   text NOT NULL,                 -- Argon2id, PHC string
    version         integer NOT NULL,              -- number of its last event
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((role = 'customer') = (customer_number IS NOT NULL))
);

CREATE SEQUENCE customer_numbers;

-- What happened to each user, gap-free by version: the history administrators read and the outbox events leave from.
CREATE TABLE user_events (
    user_id     uuid NOT NULL REFERENCES users,
    version     integer NOT NULL,
    type        text NOT NULL,
    data        json NOT NULL,                     -- the user as shown by the API; never anything about the password
    actor       text NOT NULL,                     -- subject of whoever caused it
    trace_id    text NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, version)
);
