"""What a service says of its API."""
