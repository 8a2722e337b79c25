"""The check of the CUDA kernels on a machine with a GPU: what `python -m harness.gpu_check` does.

`command.py` starts a process for each part, for a kernel that hangs or writes where it may not takes its process with
it; `parts.py` is what such a process does; the other files are one part each. A part is a list of items and a function
from an item to a row. With `--rehearse` all of it runs in the emulation.
"""
