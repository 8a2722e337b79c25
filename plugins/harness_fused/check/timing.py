"""Times beside torch.nn, by events on the stream: gradients cleared, warm caches, and for the anchor cold ones too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from harness.backend import Dtype, LayerPlan
from harness.bench.clocks import Clock, clock_of
from harness.bench.step import Step
from harness.layer import torch_dtype
from harness.precision import set_tf32
from harness.settings import LayerShape
from harness_fused.check.cudnn import algorithm
from harness_fused.check.floor import floor_seconds
from harness_fused.check.place import Place, Routed, cells
from harness_fused.cuda.plan import Route

MODULES = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
SECONDS = 0.25
"""Of timing for each side and mode, about."""
FEWEST, MOST = 5, 50
"""Samples of each."""
APART, APART_FLOAT32 = 5e-2, 1e-4
"""How far from torch.nn's numbers ours may be, relative to their norm, in formats of 16 bits and in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A shape of a cell. `inputs` of 1 leave the input's product out, as far as anybody can; `cold`: caches emptied."""

    cell: str
    dtype: Dtype
    shape: LayerShape
    route: Route | None = None
    cold: bool = False

    def __str__(self) -> str:
        return f"{self.cell} {self.dtype} {self.shape}" + (f" {self.route}" if self.route else "")


def items(place: Place) -> list[Item]:
    """What matters most first: whoever runs out of time has that."""
    if place.rehearsal:
        return [_item("rnn", "bfloat16", (3, 4, 16), inputs=1, route="grid")]
    return list(dict.fromkeys((*_anchors(), *_large("gru"), *_borders(), *_small(), *_large("rnn"), *_large("lstm"))))


def row(place: Place, item: Item) -> dict[str, Any]:
    """Milliseconds of both sides and both modes, ratios (theirs over ours), the floor, and what ran on either side."""
    set_tf32(item.dtype)
    mine, layer = ours(Routed(place, item.route), item)
    theirs = torchs(place, item)
    found: dict[str, Any] = {"cudnn": algorithm(item.cell, item.dtype, item.shape)}
    clock = clock_at(place.device)
    found |= {"apart": apart(mine, theirs), "apart_allowed": APART_FLOAT32 if item.dtype == "float32" else APART}
    for mode in ("forward", "train"):
        for suffix, timed in (("", clock.seconds), ("_cold", clock.cold_seconds))[: 1 + item.cold]:
            seconds, others = alternate([getattr(mine, mode), getattr(theirs, mode)], timed)
            found |= {f"{mode}{suffix}_ms": seconds * 1e3, f"{mode}{suffix}_torch_ms": others * 1e3}
            found[f"{mode}{suffix}_ratio"] = others / seconds
    way = layer.runner.way(mine.x)
    floor = floor_seconds(place, way, mine.x, clock)
    found |= {"floor_ms": floor * 1e3, "forward_over_floor": found["forward_ms"] / 1e3 / floor if floor else None}
    megahertz, held_back = clock.state()
    found |= {"clock_mhz": megahertz if megahertz > 0 else None, "held_back": held_back}
    return found | {"route": way.plan.route, "note": layer.note}


def apart(mine: "TimedStep", theirs: "TimedStep") -> float:
    """How far two sides are from each other that were given the same numbers: the larger ‖Δ‖ / ‖theirs‖ of y and of the
    gradient of x. The gate's shapes are small; no time is told of a shape at which a kernel is wrong.
    """
    found = []
    for side in (mine, theirs):
        side.train()
        with torch.no_grad():
            found.append([part.float() for part in (side.outputs()[0], side.x.grad) if part is not None])
        side.clear()
    ratios = [(one - other).norm() / other.norm() for one, other in zip(*found, strict=True)]
    return float(torch.stack(ratios).max())  # not a number if any is not


@cache
def clock_at(device: str) -> Clock:
    """One clock for all items."""
    return clock_of(device)


class TimedStep(Step):
    """A step that shows its input."""

    def __init__(self, call: Callable[[Tensor], Any], x: Tensor, parameters: list[Tensor]) -> None:
        super().__init__(call, [x], parameters, lambda like, _: torch.randn_like(like))
        self.x = x


def ours(routed: Routed, item: Item) -> tuple[TimedStep, Any]:
    """The step of a fused layer, and the layer."""
    place, shape = routed.place, item.shape
    plan = LayerPlan(inputs=shape.inputs, hidden=shape.hidden, device=place.device, dtype=item.dtype)
    layer: Any = routed.build(cells()[item.cell], plan)
    _draw(layer, shape)
    start = tuple(_zeros(place, item) for _ in layer.cell.states(shape.inputs, shape.hidden))
    return TimedStep(layer.bare(start), _x(place, item), list(layer.parameters())), layer


def torchs(place: Place, item: Item) -> TimedStep:
    """The step of torch.nn's module, drawn as ours is."""
    shape = item.shape
    module = MODULES[item.cell](shape.inputs, shape.hidden, device=place.device, dtype=torch_dtype(item.dtype))
    _draw(module, shape)
    start = _zeros(place, item)[None]

    def call(x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        y, final = module(x, (start, start) if item.cell == "lstm" else start)
        return y, final if item.cell == "lstm" else (final,)

    return TimedStep(call, _x(place, item), list(module.parameters()))


def _draw(layer: nn.Module, shape: LayerShape) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-(shape.hidden**-0.5), shape.hidden**-0.5)


def _x(place: Place, item: Item) -> Tensor:
    drawn = torch.randn(item.shape.length, item.shape.batch, item.shape.inputs, device=place.device)
    return drawn.to(torch_dtype(item.dtype)).requires_grad_()


def _zeros(place: Place, item: Item) -> Tensor:
    return torch.zeros(item.shape.batch, item.shape.hidden, device=place.device, dtype=torch_dtype(item.dtype))


def alternate(sides: list[Callable[[], None]], timed: Callable[[Callable[[], None], int], float]) -> list[float]:
    """Median seconds of each side; they take turns, so that both see the same clock frequency."""
    for _ in range(3):
        before = [timed(side, 1) for side in sides]
    rounds = int(min(MOST, max(FEWEST, SECONDS / max(before))))
    samples = [[timed(side, 1) for side in sides] for _ in range(rounds)]
    return [median(column) for column in zip(*samples, strict=True)]


def _item(cell: str, dtype: Dtype, sizes: tuple[int, int, int], inputs: int = 0, **more: Any) -> Item:
    """`sizes`: B, T, H; I is H unless given."""
    B, T, H = sizes
    return Item(cell=cell, dtype=dtype, shape=LayerShape(batch=B, length=T, hidden=H, inputs=inputs or H), **more)


def _anchors() -> Iterator[Item]:
    """The published shape, with the input's product and without it, and by every route that runs it."""
    for dtype in ("bfloat16", "float16", "float32"):
        yield _item("lstm", dtype, (16, 1024, 768), cold=dtype == "bfloat16")
        yield _item("lstm", dtype, (16, 1024, 768), inputs=1)
    for cell in ("gru", "rnn"):
        yield _item(cell, "bfloat16", (16, 1024, 768), cold=True)
        yield _item(cell, "bfloat16", (16, 1024, 768), inputs=1)
    yield _item("lstm", "bfloat16", (16, 1024, 768), route="steps")
    yield _item("gru", "bfloat16", (16, 1024, 768), route="steps")


def _large(cell: str) -> Iterator[Item]:
    for dtype in ("bfloat16", "float32"):
        for T in (128, 1024):
            for H in (256, 512, 768, 1024):
                for B in (1, 16, 64, 128):
                    yield _item(cell, dtype, (B, T, H))


def _small() -> Iterator[Item]:
    for cell in ("lstm", "gru"):
        for dtype in ("bfloat16", "float32"):
            for H in (64, 128):
                for B in (32, 128, 256):
                    yield _item(cell, dtype, (B, 128, H))


def _borders() -> Iterator[Item]:
    """Either side of every border of cuDNN's fast ways."""
    for cell in ("gru", "lstm"):
        for H in (192, 193, 1024, 1152):
            yield _item(cell, "bfloat16", (16, 128, H))
        for B in (8, 12):
            yield _item(cell, "bfloat16", (B, 128, 768))
    for B, H in ((16, 1024), (16, 1152), (8, 768), (12, 768)):  # of PERSIST_STATIC, which is float16 alone
        yield _item("lstm", "float16", (B, 128, H))
