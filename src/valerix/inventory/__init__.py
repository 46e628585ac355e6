"""Products, stock per warehouse, reservations and the ledger of movements."""
