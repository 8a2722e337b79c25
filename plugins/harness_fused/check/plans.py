"""Times of the plans that a shape could have had, beside what was predicted of them: what mends the predictions."""

from typing import Any

from harness.settings import LayerShape
from harness_fused.check.place import Place, Routed
from harness_fused.check.timing import Item, alternate, clock_at, ours
from harness_fused.cuda.plan import DeviceFacts, DType, Plan, alternatives
from harness_fused.recurrence import Recurrence

MOST = 5
"""Alternatives of a shape, the best predicted first; and the best of every route."""

Numbered = tuple[Item, int]


def items(place: Place) -> list[Numbered]:
    """Shapes small, middling and large, each with the numbers of its alternatives."""
    if place.rehearsal:
        return [(_item("rnn", "bfloat16", 3, 4, 16), 0)]
    shapes = [
        _item(cell, dtype, B, 256, H)
        for cell in ("gru", "lstm")
        for dtype in ("bfloat16", "float32")
        for B, H in ((16, 768), (64, 256), (64, 64), (128, 1024))
    ]
    return [(item, number) for number in range(MOST) for item in shapes]


def row(place: Place, item: Numbered) -> dict[str, Any]:
    """Milliseconds of the alternative of that number, and what it is."""
    asked, number = item
    chosen: list[Plan] = []

    class Alternative(Routed):
        """A backend that takes that one."""

        def choose(self, recurrence: Recurrence, shape: LayerShape, dtype: DType, facts: DeviceFacts) -> Plan:
            chosen.append(alternatives(recurrence, shape, dtype, facts)[number])
            return chosen[-1]

    step, _ = ours(Alternative(place, None), asked)
    clock = clock_at(place.device)
    (forward,), (train,) = (alternate([work], clock.seconds) for work in (step.forward, step.train))
    plan = chosen[-1]
    return {
        "forward_alone_ms": forward * 1e3,
        "train_alone_ms": train * 1e3,
        "route": plan.route,
        "cycles": plan.cycles,
        "constants": dict(plan.constants),
    }


def _item(cell: str, dtype: Any, B: int, T: int, H: int) -> Item:
    return Item(cell=cell, dtype=dtype, shape=LayerShape(batch=B, length=T, hidden=H, inputs=H))
