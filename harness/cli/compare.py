"""`harness compare`: two sides against each other, with a verdict."""

import json
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness import machine, plugins, store
from harness.cli.completion import Offered
from harness.cli.options import json_option, plugin_option, results_option
from harness.cli.telling import tell
from harness.compare.claims import Claim
from harness.compare.conditions import ASKED_OF, Condition, Ruling, parse_condition
from harness.compare.laboratory import TIMING, Circumstances
from harness.compare.notices import Notice
from harness.compare.pairs import choose, compare_pairs
from harness.compare.recorded import compare_recorded
from harness.compare.revisions import compare_revisions
from harness.compare.sentences import sentence
from harness.errors import HarnessError, unknown
from harness.executors.stopping import Stopping
from harness.grid import load_grid
from harness.noise import Noise, noise_told, read_noise
from harness.plugins import Catalog
from harness.settings import TimingSettings, parse_shape
from harness.spelling import parse, split_list

MEASURES = ("speed", "memory", "accuracy")
FEWEST_PAIRS = 6
"""With fewer, the medians of a comparison have no interval."""
UNDECIDED = 3
"""The exit code where nothing fails, but something cannot be said to pass."""


@click.command(name="compare")
@click.argument("a", type=Offered("sides", listed=False))
@click.argument("b", required=False, type=Offered("sides", listed=False))
@click.option("--base", metavar="REV", help="Compare A with itself at a git revision, instead of with B.")
@click.option(
    "--measures",
    type=Offered(MEASURES),
    default="speed,memory",
    show_default=True,
    help="A list out of speed, memory, accuracy.",
)
@click.option("--shape", "shapes", multiple=True, help="B32,T40,H64,I2: batch, length, hidden, inputs. Repeatable.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--dtype", default="float32", show_default=True, help="float32, float64, tf32, bfloat16, float16.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--pairs", default=TIMING.pairs, show_default=True, type=click.IntRange(FEWEST_PAIRS), help="Speed: at least."
)
@click.option("--budget", default=TIMING.budget, show_default=True, help="Speed: seconds a shape, and no pair more.")
@click.option(
    "--fail-if",
    "conditions",
    multiple=True,
    help="slower:3%, larger:1%, worse, worse:5% or undecided: exit 1 where the whole interval says so, 3 where it does "
    "not say. Repeatable.",
)
@click.option("--run", help="Accuracy: the recorded run to read, the newest by default.")
@plugin_option
@results_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    a: str,
    b: str | None,
    base: str | None,
    conditions: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Compare two sides: is A faster, smaller, better than B?

    A and B are cells (lstm gru) or cells on backends (gru@numpy gru@torch). Speed takes up to half a minute a shape;
    accuracy is read from recorded trainings. The verdict is said of A.

    Exit 0: compared, and every --fail-if passes; 1: one fails; 3: none fails, but the figures do not decide one.
    """
    wanted = [parse_condition(text) for text in conditions]
    _check_asked(wanted, {*split_list(settings["measures"])} - ({"accuracy"} if base else set()))
    claims: list[Claim] = []
    notices: list[str] = []
    interrupted = False
    with Stopping() as stopping, closing(_found(a, b, base, settings, stopping)) as found:
        try:
            with stopping.at_once():
                for one in found:
                    if isinstance(one, Claim):
                        claims.append(one)
                        if not as_json:
                            tell(sentence(one), hanging=10)
                    else:
                        notices.append(one.text)
                        tell(one.text, err=True)
        except KeyboardInterrupt:
            interrupted = True
    if not claims and not interrupted:
        raise HarnessError("wanted something to compare, found nothing", hint="--measures speed,memory")
    failed, undecided = (_ruled(ruling, claims, wanted) for ruling in (Ruling.FAILS, Ruling.UNDECIDED))
    if as_json:
        comparisons = [claim.to_plain() for claim in claims]
        told = {
            "machine": machine.described(machine.facts(settings["device"])),
            "failed": failed,
            "undecided": undecided,
            "notices": notices,
            "interrupted": interrupted,
        }
        click.echo(json.dumps({"schema": 1, "comparisons": comparisons, **told}, ensure_ascii=False))
    for ruled in (*failed, *undecided):
        tell(ruled, hanging=2, err=True)
    ctx.exit(130 if interrupted else 1 if failed else UNDECIDED if undecided else 0)


def _found(
    a: str, b: str | None, base: str | None, settings: dict[str, Any], stopping: Stopping
) -> Generator[Claim | Notice, None, None]:
    measures = tuple(split_list(settings["measures"]))
    for measure in measures:
        if measure not in MEASURES:
            raise unknown("measure", measure, MEASURES)
    if (b is None) == (base is None):
        raise HarnessError("wanted two sides, or one and --base REV", hint="harness compare gru@numpy gru@torch")
    catalog = _load(settings["plugins"])
    quick = load_grid("quick")
    noise = _noise(settings) if "speed" in measures else None
    circumstances = Circumstances(
        shapes=tuple(map(parse_shape, settings["shapes"])) or quick.speed[:1],
        measures=measures,
        device=settings["device"],
        dtype=settings["dtype"],
        threads=settings["threads"],
        plugin_files=settings["plugins"],
        timing=_timing(settings["pairs"], settings["budget"]),
        noise=noise.greatest if noise else 0.0,
    )
    measured = {"speed", "memory"} & set(measures)
    if base is not None:
        _check_base(circumstances)
        if "accuracy" in measures:
            yield Notice("accuracy is not compared: trainings are recorded for cells, not for revisions")
        ours = choose(parse(a), catalog, quick.order, circumstances)
        yield from compare_revisions(ours, base, catalog, circumstances, stopping)
    elif measured:
        ours, theirs = (choose(parse(side), catalog, quick.order, circumstances) for side in (a, b or ""))
        yield from compare_pairs(ours, theirs, catalog, circumstances, stopping)
    if "speed" in measures:
        yield Notice(noise_told(noise, settings["device"], settings["threads"]))
    if "accuracy" in measures and b is not None:
        yield from compare_recorded(parse(a), parse(b), store.read_run(settings["results"], settings["run"]))


def _noise(settings: Mapping[str, Any]) -> Noise | None:
    """What the doctor found on this machine with so many threads."""
    fingerprint = machine.fingerprint(machine.facts(settings["device"]))
    return read_noise(settings["results"], fingerprint, settings["threads"])


def _check_base(circumstances: Circumstances) -> None:
    """What a revision can be asked. Raises HarnessError for anything else."""
    if circumstances.plugin_files:
        files = ", ".join(map(str, circumstances.plugin_files))
        raise HarnessError(
            f"wanted a pair of the repository's own with --base, found --plugin {files}",
            hint="a file outside the repository has no revisions; compare two cells instead",
        )
    if not {"speed", "memory"} & set(circumstances.measures):
        found = ", ".join(circumstances.measures)
        raise HarnessError(f"wanted speed or memory to compare with a revision, found {found}")


def _timing(pairs: int, budget: float) -> TimingSettings:
    """As many pairs at least, and so many seconds; the shorter, the fewer rounds a pair."""
    if not budget > 0:
        raise HarnessError(f"wanted a budget above 0 seconds, found {budget:g}", hint="--budget 24")
    seconds = min(TIMING.seconds, budget / 3)
    return replace(TIMING, pairs=pairs, most_pairs=max(pairs, TIMING.most_pairs), budget=budget, seconds=seconds)


def _check_asked(conditions: list[Condition], kinds: set[str]) -> None:
    """Raises HarnessError for a condition that nothing compared would answer."""
    for condition in conditions:
        if kinds and not any(condition.is_asked_of(kind) for kind in kinds):
            asked, found = ASKED_OF[condition.word], ", ".join(sorted(kinds))
            raise HarnessError(
                f"wanted a comparison of {asked} for --fail-if {condition}, found {found}", hint=f"--measures {asked}"
            )


def _ruled(ruling: Ruling, claims: list[Claim], conditions: list[Condition]) -> list[str]:
    return [
        f"{ruling} {condition}: {sentence(claim)}"
        for condition in conditions
        for claim in claims
        if condition.is_asked_of(claim.kind) and condition.rule(claim) == ruling
    ]


def _load(files: tuple[Path, ...]) -> Catalog:
    return plugins.load(files)
