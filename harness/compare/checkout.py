"""The files of a revision in a folder of their own. The repository is read and never written to."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError
from harness.scratch import scratch

OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""What git leaves in the environment of its own hooks."""


@contextmanager
def checkout(repository: Path, revision: str) -> Iterator[Path]:
    """A folder with the files of a commit, removed afterwards.

    No worktree of git's: that would be noted in the repository, run its hooks, and stay there after a kill. Raises
    HarnessError outside a repository, for an unknown revision and where there is no git.
    """
    if not (repository / ".git").exists():
        raise HarnessError(
            f"wanted the harness to run from its repository, found none at {repository}",
            hint="`pip install -e .` in a clone",
        )
    commit = _commit(repository, revision)
    with scratch() as folder:
        tree, index = folder / "base", folder / "index"
        for arguments in (("read-tree", commit), ("checkout-index", "--all", f"--prefix={tree}/")):
            done = _git(repository, *arguments, index=index)
            if done.returncode:
                raise HarnessError(f"git {arguments[0]} failed: {done.stderr.strip()}")
        yield tree


def _commit(repository: Path, revision: str) -> str:
    """The commit's hash; whatever the revision looks like, git takes it for no option."""
    done = _git(repository, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    if done.returncode:
        raise HarnessError(
            f"wanted a revision of {repository}, found {revision!r}",
            hint="a branch, a tag or a commit: --base main",
            detail=done.stderr.strip(),
        )
    return done.stdout.strip()


def _git(repository: Path, *arguments: str, index: Path | None = None) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name not in OF_ANOTHER_REPOSITORY}
    if index is not None:
        variables["GIT_INDEX_FILE"] = str(index)
    command = ["git", "-C", str(repository), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, env=variables)
    except FileNotFoundError as error:
        raise HarnessError("wanted git, to read a revision with, found none on the PATH") from error
