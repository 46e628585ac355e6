-- What staff has given back of what an order had paid, in minor units of its currency; null: nothing.
ALTER TABLE orders ADD COLUMN refunded_minor bigint;

-- Refunds that stand in the history of their order, by the id payments gave them: each is told there once.
CREATE TABLE noted_refunds (
    refund_id uuid PRIMARY KEY,
    order_id  uuid NOT NULL,
    noted_at  timestamptz NOT NULL DEFAULT now()
);
