"""Checks the invariants against the databases and the payment provider's own ledger: one function
per rule.
"""
