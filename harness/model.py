"""The model around the recurrent layer: embedding → layers → readout, and the encoder–decoder. Imports torch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import seeds
from harness.backend import Backend, LayerPlan
from harness.cell import Cell
from harness.errors import HarnessError
from harness.layer import State, copy_weights
from harness.settings import ModelSettings
from harness.task import Kind, Problem, Real, Symbols

States = list[State]


class LayerBuilder:
    """Builds one named layer after the other: the same cell, backend, device, and the trial's seed."""

    def __init__(self, cell: Cell, backend: Backend, plan: LayerPlan, seed: int) -> None:
        self.cell, self.backend, self.plan, self.seed = cell, backend, plan, seed

    def build(self, name: str, inputs: int) -> Any:
        """A layer whose initial weights depend on (seed, cell, `name`) alone, whatever the backend."""
        plan = LayerPlan(inputs=inputs, hidden=self.plan.hidden, device=self.plan.device, dtype=self.plan.dtype)
        layer = self.backend.build(self.cell, plan)
        rng = seeds.stream(self.seed, "initialise", self.cell.about.name, name)
        copy_weights(layer, self.cell.initialise(rng, inputs, plan.hidden))
        return layer


class Dropout(nn.Module):
    """Dropout from a generator of its own, so that no global seed matters. Identity when evaluating."""

    def __init__(self, probability: float, seed: int, device: str) -> None:
        super().__init__()
        self.probability = probability
        self.generator = torch.Generator(device).manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        """`x` of any shape."""
        if not self.training or self.probability == 0:
            return x
        keep = torch.rand(x.shape, generator=self.generator, device=x.device) >= self.probability
        return x * keep / (1 - self.probability)


class Level(nn.Module):
    """One layer in one or two directions; parameters `<forward|backward>.<name>`."""

    def __init__(self, layers: dict[str, Any]) -> None:
        super().__init__()
        self._modules.update(layers)  # `add_module` refuses the name "forward"

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H or 2H] and the final states of the forward direction."""
        layers: Any = self._modules
        y, final = layers["forward"](x, state)
        if "backward" in layers:
            backwards, _ = layers["backward"](x.flip(0))
            y = torch.cat([y, backwards.flip(0)], dim=-1)
        return y, final


class Stack(nn.Module):
    """Levels on top of each other; parameters `<k>.<forward|backward>.<name>`."""

    def __init__(self, builder: LayerBuilder, inputs: int, settings: ModelSettings, *, name: str, both: bool) -> None:
        super().__init__()
        directions = ("forward", "backward") if both else ("forward",)
        self.width = len(directions) * settings.hidden
        sizes = [inputs] + [self.width] * (settings.layers - 1)
        self._levels = [
            Level({way: builder.build(f"{name}.{k}.{way}", size) for way in directions}) for k, size in enumerate(sizes)
        ]
        for k, level in enumerate(self._levels):
            self.add_module(str(k), level)
        dropout_seed = seeds.torch_seed(builder.seed, "dropout", name)
        self.dropout = Dropout(settings.dropout, dropout_seed, builder.plan.device)

    def forward(self, x: Tensor, states: States | None = None) -> tuple[Tensor, States]:
        """`x`: [T, B, I] → `y`: [T, B, width] and per level the final states of the forward direction."""
        finals: States = []
        for k, level in enumerate(self._levels):
            x, final = level(self.dropout(x) if k else x, states[k] if states else None)
            finals.append(final)
        return x, finals


class Attention(nn.Module):
    """Global attention, "general" score (Luong, Pham & Manning 2015, arXiv:1508.04025, eqs. 5, 7, 8)."""

    def __init__(self, hidden: int, memory: int, seed: int, device: str) -> None:
        super().__init__()
        self.score = _linear(hidden, memory, seed, "attention.score", device, bias=False)
        self.combine = _linear(memory + hidden, hidden, seed, "attention.combine", device, bias=False)

    def forward(self, y: Tensor, memory: Tensor) -> Tensor:
        """`y`: [S, B, H] of the decoder, `memory`: [T, B, M] of the encoder → [S, B, H]."""
        memory = memory.transpose(0, 1)
        scores = torch.bmm(self.score(y).transpose(0, 1), memory.transpose(1, 2))
        context = torch.bmm(scores.softmax(-1), memory).transpose(0, 1)
        return torch.tanh(self.combine(torch.cat([context, y], dim=-1)))


class SequenceModel(nn.Module):
    """Sequence → vector or sequence: embedding (for symbols) → layers → readout."""

    def __init__(self, builder: LayerBuilder, problem: Problem, settings: ModelSettings) -> None:
        super().__init__()
        self.last_only = problem.kind == Kind.SEQUENCE_TO_VECTOR
        self.hidden = settings.hidden
        self.embedding, inputs = _entrance(problem.source, settings, builder, "embedding")
        self.layers = Stack(builder, inputs, settings, name="layers", both=settings.bidirectional)
        self.readout = _linear(
            self.layers.width, problem.target.size, builder.seed, "readout", builder.plan.device, bias=True
        )

    def forward(self, x: Tensor) -> Tensor:
        """`x`: [T, B, I] or [T, B] → [B, O] for a vector, logits [T, B, O] for a sequence."""
        y, _ = self.layers(self.embedding(x))
        if self.last_only:  # each direction's output once it has read everything
            y = torch.cat([y[-1, :, : self.hidden], y[0, :, self.hidden :]], dim=-1)
        return self.readout(y)


class EncoderDecoder(nn.Module):
    """Two stacks of the same cell, size and depth; the decoder starts from the encoder's final states.

    Attention, if asked for, stands between the decoder and the readout; nothing of it is fed back.
    """

    def __init__(self, builder: LayerBuilder, problem: Problem, settings: ModelSettings) -> None:
        super().__init__()
        if not isinstance(problem.target, Symbols):
            raise HarnessError("wanted an encoder–decoder task to answer in symbols, found real numbers")
        device, seed = builder.plan.device, builder.seed
        self.problem = problem
        self.embedding, inputs = _entrance(problem.source, settings, builder, "embedding")
        self.layers = Stack(builder, inputs, settings, name="layers", both=settings.bidirectional)
        self.answer_embedding, answers = _entrance(problem.target, settings, builder, "answer_embedding")
        self.decoder = Stack(builder, answers, settings, name="decoder", both=False)
        self.attention = Attention(settings.hidden, self.layers.width, seed, device) if settings.attention else None
        self.readout = _linear(settings.hidden, problem.target.size, seed, "readout", device, bias=True)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing. `x`: [T, B, …], `target`: [S, B] → logits [S, B, O]."""
        memory, states = self.layers(self.embedding(x))
        start = torch.full_like(target[:1], self.problem.start)
        logits, _ = self._answer(torch.cat([start, target[:-1]]), states, memory)
        return logits

    def decode(self, x: Tensor) -> Tensor:
        """Greedy decoding, step by step, until all have ended. `x`: [T, B, …] → symbols [S, B], S ≤ `longest`."""
        memory, states = self.layers(self.embedding(x))
        symbol = torch.full((1, x.shape[1]), self.problem.start, device=x.device)
        ended = torch.zeros_like(symbol, dtype=torch.bool)
        answer = []
        for _ in range(self.problem.longest):
            logits, states = self._answer(symbol, states, memory)
            symbol = logits.argmax(-1)
            answer.append(symbol)
            ended = ended | (symbol == self.problem.end)
            if bool(ended.all()):
                break
        return torch.cat(answer)

    def _answer(self, symbols: Tensor, states: States, memory: Tensor) -> tuple[Tensor, States]:
        y, states = self.decoder(self.answer_embedding(symbols), states)
        if self.attention is not None:
            y = self.attention(y, memory)
        return self.readout(y), states


def build_model(builder: LayerBuilder, problem: Problem, settings: ModelSettings) -> nn.Module:
    """The model a problem's kind asks for."""
    if problem.kind == Kind.ENCODER_DECODER:
        return EncoderDecoder(builder, problem, settings)
    return SequenceModel(builder, problem, settings)


def _entrance(
    source: Real | Symbols, settings: ModelSettings, builder: LayerBuilder, name: str
) -> tuple[nn.Module, int]:
    """What turns the task's input into vectors, and their size."""
    if isinstance(source, Real):
        return nn.Identity(), source.size
    vectors = seeds.stream(builder.seed, "initialise", name).standard_normal((source.size, settings.embedding))
    weight = torch.as_tensor(vectors, dtype=torch.float32, device=builder.plan.device)
    return nn.Embedding(source.size, settings.embedding, _weight=weight), settings.embedding


def _linear(inputs: int, outputs: int, seed: int, name: str, device: str, *, bias: bool) -> nn.Linear:
    """A linear map with torch's U(±1/√inputs), drawn from the trial's seed and its own name."""
    linear = nn.Linear(inputs, outputs, bias=bias, device="meta").to_empty(device=device)
    rng = seeds.stream(seed, "initialise", name)
    bound = inputs**-0.5
    with torch.no_grad():
        for parameter in linear.parameters():
            drawn = rng.uniform(-bound, bound, tuple(parameter.shape)).astype(np.float32)
            parameter.copy_(torch.from_numpy(drawn))
    return linear
