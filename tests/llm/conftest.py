"""Fixtures for tests of the writers that call a vendor."""

from collections.abc import Callable

import pytest

from tests.cloud import Call, Cloud


@pytest.fixture
def calls(cloud: Cloud) -> Callable[[], list[Call]]:
    """The calls of this test; a module may share one `cloud` among its tests."""
    before = len(cloud.calls)
    return lambda: cloud.calls[before:]
