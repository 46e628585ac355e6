"""Faults on purpose: injected at run time by an administrator, refused unless the settings allow it."""
