"""Reverse mode on the pointwise graph of a step: gradients as values of the same kind, sharing what is common.

Derivatives follow torch's conventions: |a| has slope 0 at 0, relu too; where maximum or minimum tie, each argument gets
half; powers have no NaN where the exponent or the base is 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness_fused.graph import COMPARISONS, Graph, ordered
from harness_fused.recurrence import Node, Recurrence

Rule = Callable[[Graph, Node, Node], tuple[Node | None, ...]]


@dataclass(frozen=True, slots=True)
class Gradients:
    """What `backward` of one phase computes, by index. States and vectors are added to; an index may be absent.

    `names`: of values, for readable text (`d_c` where the step has a `c`).
    """

    acc: Mapping[int, Node]
    state: Mapping[int, Node]
    vector: Mapping[int, Node]


def differentiate(recurrence: Recurrence) -> tuple[tuple[Gradients, ...], dict[Node, str]]:
    """The gradients by phase, and names for some of their values.

    Leaves are the step's own values, `d_next` (by state) and `d_operand` (by operand). The gradient of a computed
    operand of phase k + 1 is known from phase k downwards, so a phase adds to states and vectors what it is
    the first to know.
    """
    operands = [(k, operand.node) for k, operand in enumerate(recurrence.operands) if operand.node]
    nodes = ordered([*recurrence.next, *(node for _, node in operands)])
    graph = Graph(nodes)
    last = recurrence.phases - 1
    known = Stages(recurrence)
    received: dict[Node, list[Node]] = {node: [] for node in nodes}
    for k, node in enumerate(recurrence.next):
        received[node].append(graph.leaf("d_next", k))
    for k, node in operands:
        received[node].append(graph.leaf("d_operand", k))
    names: dict[Node, str] = {}
    totals: dict[Node, Node] = {}
    for node in reversed(nodes):
        if received[node] and node.source == "operation" and node.name not in COMPARISONS: ...
