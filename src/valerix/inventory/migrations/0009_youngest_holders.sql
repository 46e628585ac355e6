-- compatible_from: 0008
-- An older order takes units from the youngest that hold some: they are found by age, and only as many as it may take from.
DROP INDEX waiting_lines_held;
CREATE INDEX waiting_lines_held ON waiting_lines (sku, since, order_id) WHERE missing < quantity;
