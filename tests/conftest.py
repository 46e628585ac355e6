"""The configuration of every test run, with the plugins in tests/support."""

import gc

import hypothesis

PLUGINS = ("groups", "postgres", "identities", "provider", "orders", "stacks", "progress", "skips")
pytest_plugins = [f"tests.support.{name}" for name in PLUGINS]

# The duration of an example depends on the machine, so it is no property of the tested code.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """Freezes the collected tests: garbage collection of thousands of live objects takes a sixth of
    a run.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
