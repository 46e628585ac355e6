"""What all other packages build on: problems, settings, time, and the conventions of requests."""
