"""What a run needs of a worker: the same harness, plugins and data; and in which of them one differs."""

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import harness
from harness.basis import data_digest
from harness.canonical import digest
from harness.errors import HarnessError
from harness.plugins import KINDS, Catalog, Plugin
from harness.software import installed
from harness.spelling import parse
from harness.trial import Trial

Versions = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """`versions` by what they are of; `files`: names and texts (byte by byte, as Latin-1) of `--plugin` files.

    `tasks`: the spellings of those whose data is read; `device`: that of the trials.
    """

    versions: Versions
    files: tuple[tuple[str, str], ...]
    tasks: tuple[str, ...]
    device: str

    @classmethod
    def of(cls, catalog: Catalog, trials: Sequence[Trial], files: Iterable[Path]) -> "Needs":
        """The needs of these trials, as the catalog answers them here."""
        tasks = tuple(sorted({str(trial.task) for trial in trials if trial.task}))
        return cls(
            versions=versions(catalog, tasks),
            files=tuple((file.name, file.read_bytes().decode("latin-1")) for file in files),
            tasks=tasks,
            device=trials[0].device,
        )


def versions(catalog: Catalog, tasks: Iterable[str]) -> Versions:
    """The harness with its sources, Python, every plugin with its sources, the data of tasks, who offers which name.

    `--plugin` files stand only among those who offer: their text travels with the run.
    """
    found = {
        "the harness": f"{installed('cell-harness')} (sources {_sources()})",
        "Python": ".".join(platform.python_version_tuple()[:2]),
    }
    for plugin in catalog.plugins:
        if plugin.origin != f"file {plugin.name}":
            found[f"plugin {plugin.name}"] = f"{plugin.origin} (sources {plugin.digest()[:12]})"
    for spelling in tasks:
        try:
            found[f"the data of {spelling}"] = data_digest(catalog.task(parse(spelling)))
        except HarnessError as error:
            found[f"the data of {spelling}"] = str(error)
    for kind in KINDS:
        for name, entry in catalog.offered(kind).items():
            found[f"{kind} {name}"] = f"by {Path(entry.plugin.name).name}"
    return found


def differences(here: Versions, there: Versions) -> list[str]:
    """What a worker lacks or has otherwise, a phrase each; what follows from another is left out."""
    differing = {name: found for name, found in here.items() if there.get(name) != found}
    sources = [name for name in differing if not _is_offer(name)]
    return list(_told(sources or differing, here, there))


def _told(names: Iterable[str], here: Versions, there: Versions) -> Iterator[str]:
    for name in names:
        yield f"{name}: {there.get(name, 'none')} there, {here[name]} here"


def _is_offer(name: str) -> bool:
    return name.partition(" ")[0] in KINDS


def _sources() -> str:
    """Of all Python files of the harness: a worker's own loop must be this one, too."""
    root = Path(harness.__file__).parent
    files = sorted(root.rglob("*.py"))
    return digest([Plugin(name=str(f.relative_to(root)), origin="core", path=f).digest() for f in files], length=12)
