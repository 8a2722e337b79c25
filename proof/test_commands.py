"""Every command of the program in the documentation, typed as it stands there, in a clone of this repository.

`make commands`: half an hour, for it asks what the pages ask.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLLOWED = {"write-a-cell.md", "write-a-task.md"}
"""Pages with a quicker test of their own, tests/test_write_a_cell.py."""
NOT_TYPED = {
    "--grid standard": "takes hours",
    "--scheduler": "wants a cluster: tests/test_dask.py",
    "shard1 shard2": "what such runs leave",
    "--results all": "the same",
}
"""What is not tried, and why."""
NEW_CELL, SMALL = "harness new cell my_cell", "harness run --cells rnn --tasks 'adding[length=20]' --seeds 1"
BEFORE = {
    "asking.md": (NEW_CELL,),
    "check.md": (NEW_CELL,),
    "method.md": (SMALL,),
    "reliability.md": (SMALL, "cp -r results ../node1"),
    "tracking.md": ("git checkout -q -b mine && git commit -q --allow-empty -m mine",),
}
"""By page, what its reader has done before."""
OWN = {"git commit …;": "", "../node1/results …": "../node1", "$base": "main"}
"""What a page leaves to its reader, or sets in a line of its own that calls no program of ours."""
MODULE = "import torch\n\n\nclass MyRecurrence(torch.nn.GRU):\n    pass\n"
EXITS = {"--fail-if": {0, 3}, "--expect": {1}, "harness dashboard": {130}}
"""Exit codes other than 0: undecided on a busy machine; an expected failure that passes; what Ctrl-C ends."""


def typed(page: Path) -> list[str]:
    """What calls the program in a page's blocks for the shell, without comments; a line's parts one by one."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines()]
    return [part for line in lines for part in re.split(r"; *", line) if re.search(r"(^|& *)harness ", part)]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRIED = [page for page in PAGES if page.name not in FOLLOWED and typed(page)]


class Reader:
    """Somebody who types in a clone: a page's placeholders become what the reader has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "harness"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(self.folder)], check=True)
        subprocess.run(["git", "checkout", "-q", "-B", "main"], cwd=self.folder, check=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.variables = {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder / "mine"), "NO_COLOR": "1"}

    def own(self, line: str) -> str:
        """The line with the reader's own run, trial and folders."""
        runs = sorted((self.folder / "results" / "runs").glob("*/records.jsonl"), key=lambda file: file.stat().st_mtime)
        if runs:
            trial = re.search(r'"id":"(\w+)"', runs[-1].read_text("utf-8"))
            line = line.replace("3f2a", trial[1] if trial else "3f2a")
            line = re.sub(r"20300101-\d{6}-quick", runs[-1].parent.name, line)
        for words, own in OWN.items():
            line = line.replace(words, own)
        return line

    def types(self, line: str) -> subprocess.CompletedProcess[str]:
        """What becomes of it; a program that serves is interrupted once it does."""
        words = self.own(line)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {words}" if words.startswith("harness dashboard") else words],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        printed = []
        if words.startswith("harness dashboard"):
            for told in process.stdout:
                printed.append(told)
                if "http://" in told:
                    process.send_signal(signal.SIGINT)
                    break
        rest, _ = process.communicate("y\n")
        return subprocess.CompletedProcess(words, process.returncode, "".join(printed) + rest)


@pytest.fixture
def reader(tmp_path):
    return Reader(tmp_path)


@pytest.mark.parametrize("page", TRIED, ids=lambda page: page.name)
def test_every_command_of_a_page_ends_well(page, reader):
    if page.name == "bring-a-module.md":
        (reader.folder / "mine").mkdir()
        (reader.folder / "mine" / "my_package.py").write_text(MODULE, "utf-8")
        (block,) = re.findall(r"^```python\n(# mine\.py\n.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        (reader.folder / "mine.py").write_text(block, "utf-8")
    for line in BEFORE.get(page.name, ()):
        assert reader.types(line).returncode == 0, line
    for line in typed(page):
        if any(words in line for words in NOT_TYPED):
            continue
        done = reader.types(line)
        print(f"{done.returncode}  {done.args}", flush=True)
        wanted = next((codes for words, codes in EXITS.items() if words in line), {0})
        assert done.returncode in wanted, done.stdout[-3000:]
