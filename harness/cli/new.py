"""`harness new`: a file, or a distribution, that offers a cell, a task or a backend and works at once."""

import json
import keyword
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

from harness import plugins
from harness.about import NAME
from harness.cli.options import json_option
from harness.cli.telling import tell
from harness.errors import HarnessError

GRIDS = {
    "cell": "--cells {name},gru --tasks 'adding[length=20]' --seeds 2 --measures accuracy,speed",
    "task": "--tasks {name} --cells rnn,gru --seeds 2 --measures accuracy",
    "backend": "--cells gru --backends {name},torch --measures speed",
}
"""By kind, a grid of about a minute in which the new one stands beside others."""
CHECKED = {"cell": "{name}", "task": "{name}", "backend": "gru@{name}"}
"""By kind, what `harness check` is asked of an installed one."""


@click.command(name="new")
@click.argument("kind", type=click.Choice(list(GRIDS)))
@click.argument("name")
@click.option("--package", is_flag=True, help="A distribution for pip, in a folder of its own, with a test.")
@json_option
def command(kind: str, name: str, package: bool, as_json: bool) -> None:
    """Write a new cell, task or backend that works, to be changed into yours.

    Writes NAME.py into the current folder, or with --package the folder NAME; nothing is ever overwritten.
    """
    refuse(name)
    texts = distribution(kind, name) if package else {Path(f"{name}.py"): written(kind, name, kind)}
    write(texts, Path(name) if package else Path(f"{name}.py"))
    steps = following(kind, name, package=package)
    if as_json:
        found = {"schema": 1, "files": [path.as_posix() for path in texts], "next": steps}
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for path in texts:
        tell(f"wrote {path}", hanging=2)
    tell("next:")
    for step in steps:
        click.echo(f"  {step}")


def refuse(name: str) -> None:
    """Raises HarnessError for a name that cannot be a plugin's, or is somebody's already."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        what = f"the keyword {name!r}" if keyword.iskeyword(name) else repr(name)
        raise HarnessError(
            f"wanted a name of lower-case letters, digits and underscores, found {what}", hint="for instance my_cell"
        )
    catalog = plugins.load()
    found = [catalog.offered(kind)[name] for kind in plugins.KINDS if name in catalog.offered(kind)]
    if found:
        raise HarnessError(
            f"wanted a new name, found {name!r}, which {found[0].plugin.origin} offers", hint=f"for instance my_{name}"
        )
    if not any(Path(path).exists() for path in (name, f"{name}.py")) and find_spec(name):
        raise HarnessError(
            f"wanted a new name, found the Python module {name!r}, which {name}.py would hide",
            hint=f"for instance my_{name}",
        )


def distribution(kind: str, name: str) -> dict[Path, str]:
    """The files of a distribution, by path: its description, the plugin, a test."""
    folder = Path(name)
    return {
        folder / "pyproject.toml": written("pyproject", name, kind),
        folder / f"{name}.py": written(kind, name, kind),
        folder / "tests" / f"test_{name}.py": written(f"test_{kind}", name, kind),
    }


def written(starter: str, name: str, kind: str) -> str:
    """A shipped text of harness/starters with the name in its places."""
    text = files("harness").joinpath("starters", f"{starter}.txt").read_text("utf-8")
    words = [word for word in name.split("_") if word]
    return Template(text).substitute(
        name=name, kind=kind, distribution="-".join(words), type="".join(word.capitalize() for word in words)
    )


def write(texts: dict[Path, str], top: Path) -> None:
    """Writes the files. Raises HarnessError where `top` exists already or the disk refuses."""
    if top.exists() or top.is_symlink():
        raise HarnessError(f"wanted a new file or folder {top}, found one", hint="choose another name, or move it away")
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise HarnessError(f"wanted to write {top} here, found: {error.strerror}") from error


def following(kind: str, name: str, *, package: bool) -> list[str]:
    """The next two commands: check it, then run it beside others; of a package, install it first."""
    if package:
        return [f"pip install --editable {name}", "harness check " + CHECKED[kind].format(name=name)]
    return [f"harness check {name}.py", f"harness run --plugin {name}.py " + GRIDS[kind].format(name=name)]
