"""The simulated payment provider."""
