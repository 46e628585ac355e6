-- When the time to hold an order is over. It is not `due_at`: whoever drives the order in between moves that.
-- Null in rows of before: there `due_at` says it.
ALTER TABLE orders ADD COLUMN held_until timestamptz;
