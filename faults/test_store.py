"""Every injection of tests/test_store_faults.py, none left out, and each crash with eight outcomes: `make faults`."""

import pytest

from test_store_faults import *  # noqa: F403 -- the same claims, tried at every place


@pytest.fixture
def depth():
    return Depth(stride=1, draws=8)
