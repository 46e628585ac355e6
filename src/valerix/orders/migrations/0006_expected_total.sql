-- What the customer is willing to pay, as the API writes money; null: whatever the quote says.
ALTER TABLE orders ADD COLUMN expected_total json;
