"""Checks the invariants against the databases and the provider's own ledger, a function per
rule.
"""
