"""What everything else stands on: problems, settings, time, and the conventions of requests."""
