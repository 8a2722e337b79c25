"""Reverse mode on the pointwise graph of a step: gradients are values of the same kind and share what is common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness_fused.derivatives import RULES
from harness_fused.graph import Graph, ordered
from harness_fused.recurrence import Node, Recurrence, Source


@dataclass(frozen=True, slots=True)
class Gradients:
    """What the backward of one phase computes, by index: of its accumulators; added to states and to vectors."""

    acc: Mapping[int, Node]
    state: Mapping[int, Node]
    vector: Mapping[int, Node]

    @property
    def values(self) -> list[Node]:
        """All of them."""
        return [*self.acc.values(), *self.state.values(), *self.vector.values()]


@dataclass(frozen=True, slots=True)
class Backward:
    """The backward of a step, by phase; it runs from the last phase to the first.

    Its leaves are the step's own values, `d_next` by state and `d_operand` by operand. `known`: from which phase
    downwards a value can be had; what no `d_operand` is needed for, in every one. `names`: of values (`d_c`).
    """

    phases: tuple[Gradients, ...]
    known: Mapping[Node, int]
    names: Mapping[Node, str]


def differentiate(recurrence: Recurrence) -> Backward:
    """The gradients of all accumulators, previous states and vectors.

    A phase adds to states and vectors what it is the first to know, so that these need not be carried on.
    """
    operands = [(k, operand.node) for k, operand in enumerate(recurrence.operands) if operand.node]
    nodes = ordered([*recurrence.next, *(node for _, node in operands)])
    graph = Graph(nodes)
    received: dict[Node, list[Node]] = {node: [] for node in nodes}
    for k, node in enumerate(recurrence.next):
        received[node].append(graph.leaf("d_next", k))
    for k, node in operands:
        received[node].append(graph.leaf("d_operand", k))
    names: dict[Node, str] = {}
    for node in reversed(nodes):
        if node.name not in RULES or not received[node]:
            continue
        known = known_from(recurrence, received[node])
        total = graph.total(sorted(received[node], key=lambda part: -known[part]))
        if node in recurrence.names:
            names.setdefault(total, f"d_{recurrence.names[node].removesuffix('_new')}")
        for argument, part in zip(node.arguments, RULES[node.name](graph, node, total), strict=True):
            if part is not None:
                received[argument].append(part)
    phases = tuple(_gradients(recurrence, graph, received, k) for k in range(recurrence.phases))
    outputs = [value for phase in phases for value in phase.values]
    return Backward(phases, known_from(recurrence, outputs), names)


def known_from(recurrence: Recurrence, roots: Iterable[Node]) -> dict[Node, int]:
    """The phase from which downwards each value below the roots can be had: one before its earliest `d_operand`'s."""
    known: dict[Node, int] = {}
    for node in ordered(roots):
        own = recurrence.phases - 1
        if node.source == "d_operand":
            own = recurrence.operands[node.index].phase - 1
        known[node] = min((known[argument] for argument in node.arguments), default=own)
    return known


def _gradients(recurrence: Recurrence, graph: Graph, received: Mapping[Node, list[Node]], phase: int) -> Gradients:
    def parts(source: Source, index: int) -> list[Node]:
        return received.get(graph.leaf(source, index), [])

    def new(source: Source, index: int) -> Node | None:
        """The sum of what this phase is the first to know."""
        known = known_from(recurrence, parts(source, index))
        mine = [part for part in parts(source, index) if known[part] == phase]
        return graph.total(mine) if mine else None

    accumulators = [k for k, accumulator in enumerate(recurrence.accumulators) if accumulator.phase == phase]
    states = {k: new("state", k) for k in range(len(recurrence.next))}
    vectors = {k: new("vector", k) for k in range(len(recurrence.vectors))}
    return Gradients(
        acc={k: graph.total(parts("acc", k)) for k in accumulators},
        state={k: value for k, value in states.items() if value},
        vector={k: value for k, value in vectors.items() if value},
    )
