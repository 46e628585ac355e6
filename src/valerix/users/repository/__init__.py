"""All SQL of the users service: one function, one statement."""
