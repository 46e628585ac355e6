"""The base of all other packages: problems, settings, time, and the conventions of requests."""
