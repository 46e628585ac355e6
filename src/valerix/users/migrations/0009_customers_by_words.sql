-- compatible_from: 0008
-- Customers by how words of their names and addresses begin, for those who look for their orders. Accounts are rarely
-- written: without a list of pending entries a search reads none.
CREATE INDEX users_by_words ON users
    USING gin (array_to_tsvector(array_remove(string_to_array(lower(name) || ' ' || email, ' '), '')))
    WITH (fastupdate = off) WHERE customer_number IS NOT NULL;
