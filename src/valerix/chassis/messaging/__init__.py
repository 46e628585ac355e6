"""Events: from a database, over a bus, into a database."""
