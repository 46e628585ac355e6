"""Cross-cutting parts that every service is built on. No business word lives here."""
