"""Events: out of a database, over a bus, into a database."""
