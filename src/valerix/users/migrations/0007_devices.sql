-- Key of the tokens by which devices that signed in before are recognised (244 random bits); a new one forgets them all.
ALTER TABLE users ADD COLUMN device_secret bytea NOT NULL
    DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
