"""Repeatable benchmarks of a whole stack, with the database's own ceiling measured beside it."""
