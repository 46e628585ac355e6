-- Who did what to whose account, when, and from where. Rows are added and never changed; after a year they may go.
CREATE TABLE audit (
    id          uuid PRIMARY KEY,                  -- UUIDv7: sorts by time, so lists page on it
    occurred_at timestamptz NOT NULL DEFAULT now(),
    action      text NOT NULL,                     -- login.failed, role.changed, …
    actor       text,                              -- user id of whoever did it; null when nobody knows
    subject     text,                              -- user id of whose account it was; null for a sign-in to none
    session_id  text,
    address     text NOT NULL,
    user_agent  text NOT NULL,
    details     json NOT NULL,
    trace_id    text NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE INDEX audit_actor ON audit (actor, id);

CREATE FUNCTION refuse_to_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.occurred_at < now() - interval '1 year' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_to_forget();
CREATE TRIGGER not_all_at_once BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_forget();

-- Staff who were customers keep their number: their orders carry it.
ALTER TABLE users DROP CONSTRAINT users_check;
ALTER TABLE users ADD CONSTRAINT customers_have_a_number CHECK (role <> 'customer' OR customer_number IS NOT NULL);
