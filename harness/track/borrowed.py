"""An asv environment that holds the commit's wheel alone and borrows every other package from the running one.

torch is installed once, where asv runs; a commit costs the building of its wheel. Nothing comes from a network.
"""

import os
import shutil
import sys
import venv
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from asv.environment import Environment, EnvironmentUnavailable

from harness.environment import FIXED, POOLS
from harness.noise import BLAS_PRESETS

COMMIT = "commit"
"""The folder of the commit's wheel, in the environment's own."""


class Borrowed(Environment):  # type: ignore[misc] # asv has no types
    """`"environment_type": "borrowed"`. The matrix names packages whose versions part the curves: {"torch": [""]}.

    The commit's own packages and entry points come first on the path; of a distribution that lies there twice,
    Python sees the first alone.
    """

    tool_name = "borrowed"

    def __init__(self, conf: Any, python: str, requirements: Mapping[str, str], tagged: Mapping[Any, str]) -> None:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        if python not in {running, "same"}:
            raise EnvironmentUnavailable(f"borrowed environments have this Python, {running}, not {python}")
        self._python, self._requirements = running, _versions(requirements)  # asv's constructor asks for its name
        super().__init__(conf, self._python, self._requirements, tagged)

    def check_presence(self) -> bool:
        """Whether it was made already, and borrows from the same folders."""
        return self._list.exists() and self._list.read_text("utf-8") == self._folders()

    def _setup(self) -> None:
        venv.create(self._path, symlinks=True, with_pip=False)
        self._commit.mkdir()
        self._list.write_text(self._folders(), "utf-8")

    def _uninstall_project(self) -> None:
        self._set_installed_commit_hash(None)
        shutil.rmtree(self._commit, ignore_errors=True)

    def _install_project(self, repo: Any, commit_hash: str, build_dir: str) -> None:
        """A wheel is a zip of what goes onto the path; asv has just built it, or found it in its cache."""
        (wheel,) = Path(self._global_env_vars["ASV_BUILD_CACHE_DIR"]).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(self._commit)

    def run(self, args: list[str], **kwargs: Any) -> Any:
        """Runs Python with the commit on its path; every pool has one thread, as in a grid.

        Kernels that were chosen by hand are not kept: no curve's name tells of them.
        """
        given = {name: value for name, value in kwargs.pop("env", os.environ).items() if name not in BLAS_PRESETS}
        variables = {**given, **dict.fromkeys(POOLS, "1"), **FIXED}
        return self.run_executable("python", args, env=variables, **kwargs)

    @property
    def _commit(self) -> Path:
        return Path(self._path) / COMMIT

    @property
    def _list(self) -> Path:
        """The file from which Python takes more folders for its path."""
        return Path(self._path) / "lib" / f"python{self._python}" / "site-packages" / "borrowed.pth"

    def _folders(self) -> str:
        """The commit's own folder, then those of the running Python's packages, one a line."""
        packages = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
        return "\n".join([str(self._commit), *packages]) + "\n"


def _versions(requirements: Mapping[str, str]) -> dict[str, str]:
    """The versions that are here. Raises EnvironmentUnavailable where one is missing or another one is wanted."""
    found = {}
    for name, wanted in requirements.items():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise EnvironmentUnavailable(f"wanted {name} to borrow, found none: pip install {name}") from None
        if wanted and wanted != found[name]:
            raise EnvironmentUnavailable(f"wanted {name} {wanted} to borrow, found {found[name]}")
    return found
