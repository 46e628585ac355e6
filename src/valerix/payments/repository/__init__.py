"""All SQL of the payments service: one function, one statement."""
