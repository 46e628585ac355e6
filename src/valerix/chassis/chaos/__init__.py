"""Fault injection: administrators inject faults at run time, where the settings allow it."""
