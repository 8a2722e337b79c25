"""The one door to the commit that is measured: `harness.build`."""

import re

from torch import nn


def shape_of(text: str) -> dict[str, int]:
    """`B32 T40 H64 I2` as sizes by letter."""
    return {letter: int(size) for letter, size in re.findall(r"([BTHI])(\d+)", text)}


def layer_of(cell: str, backend: str, *, inputs: int, hidden: int, seed: int = 0) -> nn.Module:
    """The commit's layer with its initial weights.

    Raises NotImplementedError, which asv shows as a gap, for what this commit or this environment does not have.
    Whatever breaks while the layer is built or used is a failure.
    """
    try:
        import harness

        build, refused = harness.build, harness.HarnessError
    except (ImportError, AttributeError) as absent:
        raise NotImplementedError(str(absent)) from absent
    try:
        return build(f"{cell}@{backend}", inputs=inputs, hidden=hidden, seed=seed)
    except refused as reason:
        raise NotImplementedError(str(reason)) from reason
