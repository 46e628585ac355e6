"""HTTP semantics (RFC 9110) and the Fetch standard, where no route decides them."""
