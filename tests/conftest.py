"""What every test run has: the plugins in tests/support."""

import gc

import hypothesis

PLUGINS = ("groups", "postgres", "identities", "provider", "orders", "stacks", "progress", "skips")
pytest_plugins = [f"tests.support.{name}" for name in PLUGINS]

# How long an example takes says something about the machine, nothing about what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """What was collected stays: a sixth of a run goes into looking at thousands of tests again and again."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
