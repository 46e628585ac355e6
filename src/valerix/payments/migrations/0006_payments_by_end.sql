-- compatible_from: 0005
-- The last two bytes of payment ids, by which people's short forms are found: chance, so few payments share them. After
-- the first three, which are those of the same hours, so that new rows go to few pages (ADR 32). In the history: written
-- once, and not with every version of a payment's row.
CREATE INDEX payment_events_by_end ON payment_events
    (substring(uuid_send(payment_id) FOR 3), substring(uuid_send(payment_id) FROM 15)) WHERE version = 1;
