"""A module of torch's as a cell without an equation: compared with itself, never with a reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from harness.about import About
from harness.cell import Cell, Shape, Weights
from harness.errors import HarnessError
from harness.ops import Array, Ops

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

Make = Callable[[int, int], "nn.Module"]
"""(I, H) → a new module, called as `y, state = module(x, state)`."""

BATCHES = (2, 3)
"""A state is called with both; the axis that differs is the batch's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """What a module calls its state: `spec`, the nesting of its tensors as torch's pytrees describe it; per tensor the
    axis of the batch and the shape without it.
    """

    spec: Any
    axes: tuple[int, ...]
    shapes: tuple[Shape, ...]

    def pack(self, state: "tuple[Tensor, ...]") -> Any:
        """The harness's states, batch first, as the module wants them."""
        from torch.utils._pytree import tree_unflatten

        leaves = [part.movedim(0, axis) for part, axis in zip(state, self.axes, strict=True)]
        return tree_unflatten(leaves, self.spec)

    def unpack(self, state: Any) -> "tuple[Tensor, ...]":
        """The module's state as the harness's: one [B, …] per tensor, in memory of its own."""
        from torch.utils._pytree import tree_leaves

        return tuple(part.movedim(axis, 0).clone() for part, axis in zip(tree_leaves(state), self.axes, strict=True))


class ModuleCell(Cell):
    """What a `torch.nn.Module` computes, whatever that is: it learns, is timed and weighed, and has no equation.

    `make(I, H)` gives a new module in float32 on the CPU; `module(x, state)` gives y and the final state, with
    `x`: [T, B, I], `y`: [T, B, H], and `state` None or what an earlier call returned: tensors in any nesting, each
    with one axis for the batch. Its initial weights are those it draws itself, from torch's generator; where the
    harness gives it an initial state, that is zeros.
    """

    has_equation = False

    def __init__(self, about: About, make: Make) -> None:
        vars(self)["about"] = about  # each module has a description of its own
        self._make = make
        self._facts = lru_cache(maxsize=None)(self._found)

    def module(self, I: int, H: int) -> "nn.Module":
        """A new module. Raises HarnessError where `make` gives none."""
        from torch import nn

        module = self._make(I, H)
        if not isinstance(module, nn.Module):
            raise HarnessError(f"wanted a torch.nn.Module from {self.about.name}, found {type(module).__name__}")
        return module

    def nested_states(self, I: int, H: int) -> States:
        """How the module arranges its state."""
        return self._facts(I, H)[1]

    def parameters(self, I: int, H: int) -> dict[str, Shape]:
        """The module's own, by its own names."""
        return dict(self._facts(I, H)[0])

    def states(self, I: int, H: int) -> dict[str, Shape]:
        """`state_1`, `state_2`, … in the order in which the module nests them."""
        return {f"state_{k}": shape for k, shape in enumerate(self.nested_states(I, H).shapes, start=1)}

    def initialise(self, rng: "np.random.Generator", I: int, H: int) -> Weights:
        """What the module draws, torch's generator seeded from `rng` and then put back."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            module = self.module(I, H)
        return {name: weight.detach().double().cpu().numpy() for name, weight in module.named_parameters()}

    def step(self, ops: Ops, p: Mapping[str, Array], x: Array, state: tuple[Array, ...]) -> NoReturn:
        """There is none. Raises HarnessError."""
        raise HarnessError(f"{self.about.name} is a module and has no equation", hint="write its step as a cell's")

    def _found(self, I: int, H: int) -> tuple[Mapping[str, Shape], States]:
        """The parameters' shapes and the states', learnt from one module and two calls. Raises HarnessError where the
        module is not called as it should be.
        """
        import torch

        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            module = self.module(I, H).eval()
            states = [self._called(module, batch, I, H) for batch in BATCHES]
        parameters = {name: tuple(weight.shape) for name, weight in module.named_parameters()}
        return parameters, _states_of(self.about.name, *states)

    def _called(self, module: "nn.Module", batch: int, I: int, H: int) -> Any:
        import torch

        returned = module(torch.zeros(1, batch, I), None)
        if not (isinstance(returned, tuple) and len(returned) == 2):
            raise HarnessError(f"wanted y, state = {self.about.name}(x, state), found {type(returned).__name__}")
        y, state = returned
        if not isinstance(y, torch.Tensor) or tuple(y.shape) != (1, batch, H):
            found = tuple(y.shape) if isinstance(y, torch.Tensor) else type(y).__name__
            raise HarnessError(
                f"wanted y of shape [T, B, H] = (1, {batch}, {H}) from {self.about.name}, found {found}",
                hint="time comes first: batch_first=False",
            )
        return state


def _states_of(name: str, one: Any, other: Any) -> States:
    from torch.utils._pytree import tree_flatten

    (leaves, spec), (others, _) = tree_flatten(one), tree_flatten(other)
    axes, shapes = [], []
    for a, b in zip(leaves, others, strict=True):
        found = tuple(getattr(a, "shape", ()))
        differing = [k for k, (m, n) in enumerate(zip(found, tuple(getattr(b, "shape", ())), strict=True)) if m != n]
        if len(differing) != 1 or found[differing[0]] != BATCHES[0]:
            raise HarnessError(f"wanted states of {name} with one axis for the batch, found the shape {found}")
        axes.append(differing[0])
        shapes.append(found[: differing[0]] + found[differing[0] + 1 :])
    return States(spec=spec, axes=tuple(axes), shapes=tuple(shapes))


def module_cell(name: str, make: Make, *, title: str = "", paper: str = "", version: int = 1) -> ModuleCell:
    """A module as a cell: `harness.module_cell("mine", lambda I, H: Mine(I, H))` in the hook `harness_cells`.

    Raise `version` when the module computes something else. Raises HarnessError for a bad name.
    """
    return ModuleCell(About(name=name, title=title or f"a module, {name}", paper=paper, version=version), make)
