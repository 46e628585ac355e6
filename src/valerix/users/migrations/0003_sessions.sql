-- One row per sign-in. A session ends by expiry, or when somebody ends it; its access tokens are refused from then on.
CREATE TABLE sessions (
    id           uuid PRIMARY KEY,                 -- UUIDv7; the `sid` claim of its access tokens
    user_id      uuid NOT NULL REFERENCES users,
    kind         text NOT NULL CHECK (kind IN ('token', 'cookie')),
    csrf         text CHECK ((csrf IS NOT NULL) = (kind = 'cookie')),
    user_agent   text NOT NULL,
    address      text NOT NULL,                    -- where it was used last
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(), -- when its last access token was issued
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    revoked_for  text,
    CHECK ((revoked_at IS NULL) = (revoked_for IS NULL))
);
CREATE INDEX sessions_live ON sessions (user_id, last_used_at) WHERE revoked_at IS NULL;
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- Each may be used once. The used ones stay: who sends one again does not know that somebody else has used it.
CREATE TABLE refresh_tokens (
    hash       bytea PRIMARY KEY,                  -- SHA-256 of the token: 256 random bits need no salt
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
