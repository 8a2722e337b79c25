"""`python -m harness.gpu_check`: whether the fused kernels are right and fast on this machine's GPU.

It needs Python with torch, NumPy and cuda.core, and this source tree: nothing is installed, nothing is downloaded. The
check itself belongs to the plugin `harness_fused`, which lies beside the core in a source tree.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Hands the command line over."""
    if find_spec("harness_fused") is None:
        sys.path.append(str(ROOT / "plugins"))
    import_module("harness_fused.check.command").main()


if __name__ == "__main__":
    main()
