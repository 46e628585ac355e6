"""The invariants, judged from the databases and the provider's own ledger: one function per rule."""
