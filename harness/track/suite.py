"""A repository's tracked suite: where its files lie, which commits there are, and asv's commands on it."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError

CONFIGURATION = "asv.conf.json"
WORDS = ("ALL", "NEW", "EXISTING", "TAGS", "HEAD")
"""What asv takes in place of a range."""
IMPORTED = "runs."
"""How the benchmarks are named that `harness track import` fills; asv itself finds only gaps there."""
UNSHALLOW = "git fetch --unshallow: this clone has a part of the history"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """`root`: the repository's folder with `asv.conf.json`, in which all of asv's commands run."""

    root: Path

    @property
    def results(self) -> Path:
        """asv's results, one folder a machine."""
        return self.root / "results" / "asv"

    @property
    def page(self) -> Path:
        """Where `asv publish` leaves the dashboard."""
        return self.root / ".asv" / "html"

    @property
    def axes(self) -> Path:
        """The committed axes of the suite."""
        return self.root / "benchmarks" / "grid.json"

    def git(self, *arguments: str) -> str:
        """What a git command prints. Raises HarnessError with git's own words where it fails."""
        command = ["git", "-C", str(self.root), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise HarnessError(f"git {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    def commit(self, revision: str) -> str:
        """The full hash of a revision. Raises HarnessError for one that git does not know."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except HarnessError:
            hint = self._deeper("git log --oneline")
            raise HarnessError(f"wanted a revision of {self.root}, found {revision!r}", hint=hint) from None

    def fork(self, revision: str) -> str:
        """The full hash of the newest commit that a revision and HEAD share: its own unless it went on without HEAD.

        Raises HarnessError for an unknown revision and for one without a common commit.
        """
        commit = self.commit(revision)
        try:
            return self.git("merge-base", commit, "HEAD")
        except HarnessError:
            hint = self._deeper("git log --oneline")
            raise HarnessError(f"wanted a revision with a commit of HEAD's, found {revision!r}", hint=hint) from None

    def is_shallow(self) -> bool:
        """Whether this clone has a part of the history."""
        return self.git("rev-parse", "--is-shallow-repository") == "true"

    def check_span(self, span: str) -> None:
        """Raises HarnessError unless a span names commits: one of asv's words or a range of git's, `HEAD^!`, `A..B`."""
        if span in WORDS or span.startswith("HASHFILE:"):
            return
        try:
            found = self.git("rev-list", "--max-count=1", *shlex.split(span), "--")
        except HarnessError:
            found = ""
        if not found:
            raise HarnessError(
                f"wanted a range of commits of {self.root}, found {span!r}",
                hint=self._deeper("HEAD^! is the newest, A..B a range, NEW what was not measured yet"),
            )

    def _deeper(self, otherwise: str) -> str:
        """The hint for a commit that is not there: in a shallow clone it may be elsewhere."""
        return UNSHALLOW if self.is_shallow() else otherwise

    def is_clean(self) -> bool:
        """Whether the working tree is what HEAD says; files that git does not know and asv's results do not count."""
        results = self.results.relative_to(self.root)
        return not self.git("status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){results}")

    def asv(self, *arguments: str, say: Say) -> int:
        """Runs an asv command, saying it first; its exit code."""
        say(f"+ asv {shlex.join(arguments)}")
        return subprocess.run([sys.executable, "-m", "asv", *arguments], cwd=self.root, env=_environment()).returncode

    def asv_quietly(self, *arguments: str) -> None:
        """Runs an asv command without its prattle. Raises HarnessError with all of it where it fails."""
        command = [sys.executable, "-m", "asv", *arguments]
        done = subprocess.run(command, cwd=self.root, env=_environment(), capture_output=True, text=True)
        if done.returncode:
            raise HarnessError(f"asv {arguments[0]} failed:\n{done.stdout}{done.stderr}".rstrip())


def find(folder: Path) -> Suite:
    """The suite of the repository that a folder lies in.

    Raises HarnessError without asv, without `asv.conf.json`, outside a repository and in one without a commit.
    """
    try:
        import asv  # noqa: F401 -- every command of this room needs it
    except ImportError:
        raise HarnessError("wanted asv, found none in this environment", hint="pip install 'asv>=0.6.6,<0.7'") from None
    found = [place for place in (folder, *folder.parents) if (place / CONFIGURATION).exists()]
    if not found:
        raise HarnessError(f"wanted {CONFIGURATION} in {folder} or above, found none", hint="cd into the repository")
    suite = Suite(root=found[0])
    if not (suite.root / ".git").exists():
        raise HarnessError(f"wanted a git repository at {suite.root}, found none", hint="git init, git commit")
    suite.git("rev-parse", "--git-dir")  # in git's own words where it refuses: a checkout of somebody else's
    try:
        suite.commit("HEAD")
    except HarnessError:
        raise HarnessError(f"wanted a commit in {suite.root}, found none", hint="git add . && git commit") from None
    return suite


def _environment() -> dict[str, str]:
    """asv finds this very harness (its plugin), though it runs in the repository's folder."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def read_json(path: Path) -> object:
    """A file of asv's. Raises HarnessError where it is missing or damaged, as an unfinished merge leaves it."""
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise HarnessError(f"wanted {path}, found none", hint="harness track run") from error
    except ValueError as error:
        raise HarnessError(f"{path} is damaged: {error}", hint="harness track run writes it anew") from error
