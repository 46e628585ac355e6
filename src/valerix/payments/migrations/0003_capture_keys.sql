-- Captures by hand, by their idempotency keys. The payment is not named: it is the one of the order in the body, which
-- the fingerprint stands for.
CREATE TABLE capture_keys (
    key         bytea PRIMARY KEY,              -- SHA-256 of (principal, method, route, key)
    fingerprint bytea NOT NULL,                 -- SHA-256 of the body
    created_at  timestamptz NOT NULL DEFAULT now()
);
