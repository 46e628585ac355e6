-- Orders may name a product instead of numbering it.
CREATE INDEX products_by_name ON products (name);
