-- One row per order that was ever to be charged or must never be. `version` is the number of its last event.
--
--   processing → captured → partially_refunded → refunded
--             ↘ declined
--             ↘ voided            (also from nothing: the order ended before anybody asked for money)
CREATE TABLE payments (
    id                 uuid PRIMARY KEY,         -- UUIDv7: sorts by creation time, so lists page on it
    order_id           text NOT NULL UNIQUE,     -- at most one payment per order, ever
    customer_id        text,
    amount_minor       bigint CHECK (amount_minor > 0),
    currency           text,
    method             text,
    status             text NOT NULL CHECK (status IN
                           ('processing', 'captured', 'declined', 'voided', 'partially_refunded', 'refunded')),
    reason             text,                     -- why it was declined or voided
    provider_reference text NOT NULL,            -- committed before the first call and never changed: the provider
                                                 -- charges a reference at most once
    captured_minor     bigint NOT NULL DEFAULT 0,
    refunding_minor    bigint NOT NULL DEFAULT 0 CHECK (refunding_minor >= 0),  -- promised to refunds under way
    refunded_minor     bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
    version            integer NOT NULL DEFAULT 0,
    due_at             timestamptz,              -- when somebody must ask the provider (again)
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    CHECK (refunding_minor + refunded_minor <= captured_minor),
    CHECK (captured_minor = 0 OR captured_minor = amount_minor),
    CHECK ((status = 'processing') = (due_at IS NOT NULL)),
    CHECK (status = 'voided' OR num_nulls(customer_id, amount_minor, currency, method) = 0)
);
CREATE INDEX payments_by_customer ON payments (customer_id, id);
CREATE INDEX payments_by_status ON payments (status, id) WHERE status <> 'captured';

CREATE TABLE refunds (
    id                 uuid PRIMARY KEY,
    payment_id         uuid NOT NULL REFERENCES payments,
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    reason             text NOT NULL,
    status             text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    failure            text,                     -- why the provider refused
    provider_reference text NOT NULL,            -- as for payments
    idempotency_key    bytea NOT NULL,           -- SHA-256 of (principal, method, route, key)
    fingerprint        bytea NOT NULL,           -- SHA-256 of the body
    due_at             timestamptz,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    UNIQUE (payment_id, idempotency_key),
    CHECK ((status = 'pending') = (due_at IS NOT NULL))
);
CREATE INDEX refunds_due ON refunds (due_at) WHERE due_at IS NOT NULL;

-- What happened to each payment, gap-free by version: the history people read and the outbox events leave from.
CREATE TABLE payment_events (
    payment_id  uuid NOT NULL,
    version     integer NOT NULL,
    type        text NOT NULL,
    data        json NOT NULL,
    trace_id    text NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (payment_id, version)
);
