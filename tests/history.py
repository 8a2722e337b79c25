"""A scratch repository with planted figures, measured by the project's own commands without a clock or a network."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOY = ROOT / "tests" / "tracking"

PYPROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "toy"
version = "1"
[tool.hatch.build.targets.wheel]
only-include = ["toy.py"]
"""

GRID = {
    "cells": ["rnn", "lstm", "gru", "mgu"],
    "backends": ["numpy", "torch"],
    "shapes": ["B32 T40 H64 I2"],
    "tasks": ["adding[length=40]", "copy_memory[alphabet=4,delay=20,symbols=2]"],
}


class History:
    """`root`: the repository; `commits`: their hashes, oldest first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commits: list[str] = []
        (root / "home").mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        shutil.copy(TOY / "toy.py", root)
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / ".gitignore").write_text("home/\n.asv/\nresults/\n")
        configuration = (ROOT / "asv.conf.json").read_text("utf-8").replace("cell-harness", "toy")
        # The planted figures lie in one module, `planted`, in classes named as the project's modules are.
        configuration = re.sub(
            r'"(memory|speed)\\\\\.', lambda found: f'"planted\\\\.{found[1].title()}\\\\.', configuration
        )
        (root / "asv.conf.json").write_text(configuration)
        suite = root / "benchmarks"
        suite.mkdir()
        (suite / "__init__.py").write_text("")
        (suite / "grid.json").write_text(json.dumps(GRID))
        for file in (TOY / "planted.py", ROOT / "benchmarks" / "grid.py", ROOT / "benchmarks" / "runs.py"):
            shutil.copy(file, suite)

    def commit(self, message: str, *changes: tuple[str, str]) -> str:
        """Commits everything, pieces of the toy package replaced; the new hash."""
        for before, after in changes:
            text = (self.root / "toy.py").read_text()
            assert before in text
            (self.root / "toy.py").write_text(text.replace(before, after))
        self.git("add", "--all")
        when = f"2030-01-01T00:00:{len(self.commits):02d}Z"
        self.git(
            "commit", "--quiet", "--allow-empty", "--message", message, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when
        )
        self.commits.append(self.git("rev-parse", "HEAD").stdout.strip())
        return self.commits[-1]

    def git(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        who = {
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@b",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@b",
        }
        return self._run(["git", *arguments], check=True, **who, **variables)

    def harness(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`harness …` in the repository, as a user of a machine that asv does not know."""
        return self._run([sys.executable, "-m", "harness", *arguments], **variables)

    def asv(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`asv …` by hand."""
        return self._run([sys.executable, "-m", "asv", *arguments], **variables)

    def kept(self, commit: str) -> Path:
        """asv's file of a commit."""
        (file,) = (self.root / "results" / "asv").glob(f"*/{commit[:8]}-*.json")
        return file

    def figures(self, commit: str, benchmark: str) -> dict[str, float | None]:
        """What asv keeps of a commit, by the name of the cell."""
        stored = json.loads(self.kept(commit).read_text())
        row = dict(zip(stored["result_columns"], stored["results"][benchmark], strict=False))
        return {name.strip("'"): value for name, value in zip(row["params"][0], row["result"], strict=True)}

    def _run(self, command: list[str], check: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {**os.environ, "HOME": str(self.root / "home"), "PYTHONPATH": path, "NO_COLOR": "1", **variables}
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=check)
