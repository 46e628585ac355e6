"""All SQL of the orders service: one function, one statement."""
