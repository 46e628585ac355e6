-- A paid order that is being cancelled gives its stock back before its money: between the two, and for as long as the
-- provider is away, it is confirmed and holds nothing. Rows written before keep the stricter rule, so none is read again.
ALTER TABLE orders DROP CONSTRAINT orders_check;
ALTER TABLE orders ADD CONSTRAINT orders_confirmed
    CHECK (status <> 'confirmed' OR total_minor IS NOT NULL AND (allocations IS NOT NULL OR cancel_reason IS NOT NULL))
    NOT VALID;
