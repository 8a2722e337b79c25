"""torch.nn's layers under the cell's parameter names, and the way to and from plain torch modules."""

from collections.abc import Callable

from torch import Tensor, nn

from harness.layer import CellLayer, State
from harness_torch import MODULES

SUFFIX = "_l0"


class NativeLayer(CellLayer):
    """One of torch.nn.RNN, LSTM, GRU; its weights are this layer's own parameters, tied, not copied.

    On CUDA cuDNN wants its weights in one buffer; torch compacts them at every call where they are not, so the
    parameters are views into such a buffer, made once by `flatten_parameters`.
    """

    def __init__(self, cell, plan) -> None:
        super().__init__(cell, plan)
        module = getattr(nn, MODULES[cell.about.name])(
            plan.inputs, plan.hidden, dtype=next(self.parameters()).dtype, device=plan.device
        )
        for name in list(self.weights()):
            setattr(self, name, getattr(module, name + SUFFIX))
        self._modules_hidden = (module,)  # in a tuple: a submodule would add its parameters a second time

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states."""
        y, final = self.bare(state)(x)
        return y, tuple(part.squeeze(0).clone() for part in final)

    def bare(self, state: State) -> Callable[[Tensor], tuple[Tensor, State]]:
        """torch.nn's own call with the initial state given: what a user of torch.nn pays for, and no more."""
        (module,) = self._modules_hidden
        start = tuple(part.unsqueeze(0).contiguous() for part in state)  # cuDNN refuses a strided state
        if len(start) > 1:
            return lambda x: module(x, start)

        def call(x: Tensor) -> tuple[Tensor, State]:
            y, final = module(x, start[0])
            return y, (final,)

        return call


def to_torch(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """A layer's state_dict under the names of a plain torch.nn module: adds `_l0`."""
    return {name + SUFFIX: weight for name, weight in state_dict.items()}


def from_torch(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """A one-layer torch.nn module's state_dict under the cell's names: takes `_l0` away."""
    return {name.removesuffix(SUFFIX): weight for name, weight in state_dict.items()}
