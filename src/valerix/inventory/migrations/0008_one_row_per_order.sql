-- An order on the waiting list has a row among the reservations, too: `absent`, without lines. So the primary key decides
-- between what is done at the same moment for an order that had no row: coming to the list, being reserved, being released.
-- Otherwise an order could be released and on the list, with units set aside for it that nothing gives back.
--
--   wait: → absent;   reserve: absent → reserved;   release: absent → released.
ALTER TABLE reservations DROP CONSTRAINT reservations_state_check;
ALTER TABLE reservations ADD CONSTRAINT reservations_state_check
    CHECK (state IN ('reserved', 'released', 'committed', 'absent')) NOT VALID;

INSERT INTO reservations (order_id, state, lines, products)
SELECT order_id, 'absent', '[]', '[]' FROM waiting_orders ON CONFLICT DO NOTHING;
