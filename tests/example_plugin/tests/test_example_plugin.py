"""What the authors of a plugin test: that the conformance kit has nothing to say."""

import pytest
from example_plugin.echo import Echo
from example_plugin.leaky import Leaky

from harness.testing import assert_task_ok, checks_of


@pytest.mark.parametrize("check", checks_of(Leaky()), ids=str)
def test_the_cell(check):
    check.assert_ok()


@pytest.mark.parametrize("task", [Echo(), Echo(delay=1, alphabet=2)], ids=["default", "short"])
def test_the_task(task):
    assert_task_ok(task)
