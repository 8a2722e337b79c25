"""Modules with one fault each: what somebody's own `torch.nn.Module` may get wrong, without an equation to tell."""

from torch import nn

import harness


class Forgets(nn.GRU):
    """Begins anew with every call."""

    def forward(self, x, state=None):
        return super().forward(x)


class Overwrites(nn.GRU):
    """Scales its input in place."""

    def forward(self, x, state=None):
        found = super().forward(x.clone(), state)
        x.detach().mul_(1.01)
        return found


class Mixes(nn.GRU):
    """Centres its input over the batch."""

    def forward(self, x, state=None):
        return super().forward(x - x.mean(dim=1, keepdim=True), state)


class LooksAhead(nn.GRU):
    """Centres its input over time."""

    def forward(self, x, state=None):
        return super().forward(x - x.mean(dim=0, keepdim=True), state)


MADE = [harness.module_cell(kind.__name__.lower(), kind) for kind in (Forgets, Overwrites, Mixes, LooksAhead)]
