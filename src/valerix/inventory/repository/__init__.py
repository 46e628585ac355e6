"""All SQL of the inventory service: one function, one statement."""
