"""HTTP semantics (RFC 9110) and the Fetch standard, as far as no route decides them."""
