"""Every kernel once, on shapes small enough for compute-sanitizer, which looks on; nothing is compared."""

from typing import Any

import torch

from harness.backend import LayerPlan
from harness.settings import LayerShape
from harness_fused.check.gate import Item
from harness_fused.check.place import ROUTES, Place, Routed, cells

SHAPE = LayerShape(batch=9, length=3, hidden=40, inputs=3)


def items(place: Place) -> list[Item]:
    """Cells of one phase and of two by every route; the number formats in turns."""
    if place.rehearsal:
        return [("rnn", "bfloat16", "block")]
    return [
        (cell, dtype, route)
        for route in ROUTES
        for cell, dtype in (("lstm", "float32"), ("gru_reset_before", "bfloat16"), ("rnn", "float16"))
    ]


def row(place: Place, item: Item) -> dict[str, Any]:
    """Forward without and with what backward needs, and backward."""
    cell, dtype, route = item
    plan = LayerPlan(inputs=SHAPE.inputs, hidden=SHAPE.hidden, device=place.device, dtype=dtype)
    layer: Any = Routed(place, route).build(cells()[cell], plan)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-0.1, 0.1)
        x = torch.randn(SHAPE.length, SHAPE.batch, SHAPE.inputs, device=place.device)
        x = x.to(next(layer.parameters()).dtype)
        layer(x)
    y, final = layer(x.requires_grad_())
    torch.autograd.backward([y, *final], [torch.ones_like(part) for part in (y, *final)])
    return {"note": layer.note, "finite": bool(x.grad.isfinite().all())}
