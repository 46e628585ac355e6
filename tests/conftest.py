"""What every test run has: the plugins in tests/support."""

import hypothesis

PLUGINS = ("groups", "postgres", "identities", "provider", "orders", "stacks", "progress", "skips")
pytest_plugins = [f"tests.support.{name}" for name in PLUGINS]

# How long an example takes says something about the machine, nothing about what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
