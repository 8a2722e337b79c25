"""The classic equations, one cell a file."""

import harness
from harness_cells.gru import GRU
from harness_cells.gru_reset_before import GRUResetBefore
from harness_cells.lstm import LSTM
from harness_cells.rnn import RNN


@harness.hookimpl
def harness_cells() -> list[harness.Cell]:
    """The four cells every recurrent network begins with."""
    return [RNN(), LSTM(), GRU(), GRUResetBefore()]
