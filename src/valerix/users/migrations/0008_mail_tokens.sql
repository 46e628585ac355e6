-- Whether mails to the address reach the owner of the account; not known of those that were there before.
ALTER TABLE users ADD COLUMN email_confirmed boolean NOT NULL DEFAULT false;

-- What the reader of a mail may do once. Tokens are never stored.
CREATE TABLE mail_tokens (
    hash       bytea PRIMARY KEY,                  -- SHA-256 of the token: 256 bits need no salt
    user_id    uuid NOT NULL REFERENCES users,
    purpose    text NOT NULL CHECK (purpose IN ('confirm_email', 'reset_password')),
    expires_at timestamptz NOT NULL
);
CREATE INDEX mail_tokens_user ON mail_tokens (user_id);
