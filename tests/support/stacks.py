"""The whole stacks that tests share, one for each group of tests.support.groups. A pytest plugin.

The first test that requests a stack starts it; it ends with the last test of its group. The audit
runs after each module.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support import reaper
from tests.support.blocking import run_blocking
from tests.support.groups import Group, group_of
from tests.support.stack import Stack, assert_sound, own_stack


class Stacks:
    """The running stacks by group."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[Stack, ExitStack]] = {}

    def get(self, group: Group) -> Stack:
        if group.name not in self._running:
            resources = ExitStack()
            started = resources.enter_context(own_stack(*group.options, **group.settings))
            self._running[group.name] = started, resources
        return self._running[group.name][0]

    def audit(self, group: Group) -> None:
        """Raises AssertionError if the audit of the group's stack finds a broken rule."""
        if group.name in self._running and group.sound:
            run_blocking(assert_sound(self._running[group.name][0]))

    def end(self, group: Group) -> None:
        if group.name in self._running:
            self._running.pop(group.name)[1].close()


STACKS = Stacks()


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Stack:
    """Provides the running stack of the module's group."""
    group = group_of(request.node.nodeid)
    assert group is not None, (
        "tests/support/groups.py assigns a stack to each module: add the module there"
    )
    return STACKS.get(group)


def pytest_sessionfinish() -> None:
    reaper.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    try:
        return (yield)
    finally:
        if group := group_of(item.nodeid):
            _leave(group, item, nextitem)


def _leave(group: Group, item: pytest.Item, nextitem: pytest.Item | None) -> None:
    following = group_of(nextitem.nodeid) if nextitem else None
    try:
        if nextitem is None or nextitem.path != item.path or following is not group:
            STACKS.audit(group)
    finally:
        if following is not group:
            STACKS.end(group)
