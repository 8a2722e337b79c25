"""`harness doctor`: what this machine's timings are worth."""

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from harness import doctor, machine, plugins
from harness.cli.completion import Offered
from harness.cli.options import json_option, results_option
from harness.cli.telling import tell
from harness.compare.laboratory import Circumstances
from harness.compare.notices import Notice
from harness.compare.pairs import choose, compare_pairs
from harness.compare.sentences import sentence
from harness.executors.stopping import Stopping
from harness.grid import load_grid
from harness.noise import folder_in, keep
from harness.settings import TimingSettings
from harness.spelling import Spelling, parse


@click.command(name="doctor")
@click.option(
    "--pair",
    type=Offered("sides", listed=False),
    help="What is compared with itself, gru@torch. By default the first cell.",
)
@click.option("--comparisons", default=12, show_default=True, type=click.IntRange(min=3))
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1), help="Of a side.")
@results_option
@json_option
def command(pair: str | None, comparisons: int, device: str, threads: int, results: Path, as_json: bool) -> None:
    """Find out what this machine's timings are worth.

    Says what spoils them, and compares a pair with itself, as a grid compares: how often is equal called different,
    how small a difference would be found? Half a minute. The answer is kept under the machine's fingerprint, and
    reports show it.
    """
    folder_in(results)  # before half a minute's work
    machine.require(device, threads)
    facts = machine.facts(device)
    found = list(doctor.spoilers(facts))
    if not as_json:
        for spoiler in found or [doctor.Spoiler(what="nothing that spoils timings was seen", hint="")]:
            tell(f"• {spoiler.what}" + (f" ({spoiler.hint})" if spoiler.hint else ""), hanging=2)
    grid, catalog = load_grid("quick"), plugins.load()
    shapes = grid.speed[:1] * comparisons
    circumstances = Circumstances(
        shapes=shapes, measures=("speed",), device=device, threads=threads, timing=TimingSettings()
    )
    wanted = parse(pair) if pair else Spelling(next(iter(catalog.cells)), backend=None)
    side = choose(wanted, catalog, grid.versus, circumstances)
    claims = []
    with (
        Stopping() as stopping,
        closing(compare_pairs(side, side, catalog, circumstances, stopping)) as comparing,
        stopping.at_once(),
    ):
        for one in comparing:
            if isinstance(one, Notice):
                tell(one.text, err=True)
                continue
            claims.append(one)
            if not as_json:
                tell(f"  {sentence(one)}", hanging=4, err=True)
    noise = doctor.noise_of(claims, machine.fingerprint(facts), threads)
    path = keep(noise, results)
    if as_json:
        spoiled = [asdict(spoiler) for spoiler in found]
        click.echo(json.dumps({"schema": 1, "spoilers": spoiled, "noise": asdict(noise)}, ensure_ascii=False))
    else:
        tell(f"• {noise} → {path}", hanging=2)
