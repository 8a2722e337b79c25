"""`harness list`: cells, backends, tasks, grids and plugins, and why something is missing."""

import json
from pathlib import Path
from typing import Any

import click

from harness import plugins
from harness.choosing import why_not
from harness.cli.options import json_option, plugin_option
from harness.cli.telling import tell
from harness.grid import load_grid, shipped_grids
from harness.options import options_of
from harness.plugins import Catalog
from harness.spelling import scalar_text

KINDS = ("cells", "backends", "tasks", "grids", "plugins")


@click.command(name="list")
@click.argument("kind", required=False, type=click.Choice(KINDS))
@plugin_option
@json_option
def command(kind: str | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List cells, backends, tasks, grids and plugins.

    Without KIND, all of them. What could not be loaded stands at the end, with the reason.
    """
    catalog = _load(plugins)
    shown = {name: _rows(catalog, name) for name in ([kind] if kind else KINDS)}
    missing = [{"name": m.name, "reason": m.reason} for m in catalog.missing]
    if as_json:
        click.echo(json.dumps({"schema": 1, **shown, "missing": missing}, ensure_ascii=False))
        return
    for name, rows in shown.items():
        click.echo(name)
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            tell(f"  {row['name']:<{width}}  {row['title']}", hanging=width + 4)
            for note in row["notes"]:
                tell(f"  {'':<{width}}  · {note}", hanging=width + 6)
    if missing:
        click.echo("missing")
        for entry in missing:
            tell(f"  {entry['name']}: {entry['reason']}", hanging=4)


def _load(files: tuple[Path, ...]) -> Catalog:
    return plugins.load(files)


def _rows(catalog: Catalog, kind: str) -> list[dict[str, Any]]:
    if kind == "grids":
        return [{"name": name, "title": load_grid(name).title, "notes": []} for name in shipped_grids()]
    if kind == "plugins":
        return [{"name": p.name, "title": p.origin, "notes": _offers(catalog, p)} for p in catalog.plugins]
    return [
        {
            "name": name,
            "title": entry.value.about.title,
            "notes": _abilities(catalog, entry.value) if kind == "backends" else _options(entry.value),
        }
        for name, entry in getattr(catalog, kind).items()
    ]


def _options(value: Any) -> list[str]:
    options = ", ".join(f"{name}={scalar_text(default)}" for name, default in options_of(value).items())
    return [part for part in (value.about.paper, f"options: {options}" if options else "") if part]


def _abilities(catalog: Catalog, backend: Any) -> list[str]:
    """Its options, and per device the cells it runs and the reason for those it does not."""
    notes = _options(backend)
    for device in backend.devices:
        reasons: dict[str, list[str]] = {}
        for name, entry in catalog.cells.items():
            reason = why_not(catalog, entry.value, backend.about.name, device, "float32") or ""
            reasons.setdefault(reason, []).append(name)
        for reason, cells in sorted(reasons.items()):
            notes.append(f"{device}: {', '.join(cells)}" + (f" not: {reason}" if reason else ""))
    return notes


def _offers(catalog: Catalog, plugin: plugins.Plugin) -> list[str]:
    found = []
    for kind in ("cells", "backends", "tasks"):
        names = [name for name, entry in getattr(catalog, kind).items() if entry.plugin == plugin]
        found += [f"{kind}: {', '.join(names)}"] if names else []
    return found
