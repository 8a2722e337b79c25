"""What is written down between the parts of a step's arithmetic, and what is computed again.

Values pass from one phase to the next, from forward to backward, and down the phases of backward. Free are previous
states, vectors and, for backward, new states: all states of all steps are stored anyway. What has a product or a
transcendental function behind it is never computed twice, plain arithmetic is; among the choices that leaves, the one
with the fewest rows is taken: a smallest cut of the graph.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from harness_fused.cut import smallest_cut
from harness_fused.differentiate import Backward
from harness_fused.graph import COMPARISONS, ordered
from harness_fused.phases import FREE, phases_of
from harness_fused.recurrence import Node, Recurrence

TRANSCENDENTAL = {"sigmoid", "tanh", "exp", "log", "softplus", "pow"}


@dataclass(frozen=True, slots=True)
class Storage:
    """Rows of width H. `kept`: per step and example, the first `carried` of them also without a backward.

    `adjoints`: what backward hands down from a phase to earlier ones of the same step.
    """

    kept: tuple[Node, ...]
    carried: int
    adjoints: tuple[Node, ...]


def store(recurrence: Recurrence, backward: Backward) -> Storage:
    """What the recurrence keeps: for later phases, for backward, and within backward."""
    phase = phases_of(recurrence)
    carried = _fewest(_crossing(recurrence, phase), phase, free=())
    kept = _fewest(_read_back(recurrence, backward, phase), phase, free={*recurrence.next, *carried})
    return Storage((*carried, *kept), len(carried), _handed_down(backward))


def _fewest(read: Sequence[Node], phase: Mapping[Node, int], free: Collection[Node]) -> list[Node]:
    """The fewest values that, with the free ones, say all that is read; in the order of their phases."""
    hidden: set[Node] = set()
    for node in phase:  # arguments come first
        if node not in free and (node.source == "acc" or any(argument in hidden for argument in node.arguments)):
            hidden.add(node)

    def rows(nodes: Sequence[Node]) -> list[Node]:
        """Those that say something new; in place of a condition, which no row can hold, what it compares."""
        conditions = [node for node in nodes if node.name in COMPARISONS]
        compared = [argument for node in conditions for argument in node.arguments]
        return [node for node in (*nodes, *compared) if node in hidden and node not in conditions]

    def stems_from(node: Node) -> list[Node] | None:
        opaque = node.source == "acc" or node.name in TRANSCENDENTAL
        return None if opaque else rows(node.arguments)

    chosen = smallest_cut(rows(read), stems_from)
    return sorted((node for node in phase if node in chosen), key=lambda node: (phase[node], _first(node)))


def _first(node: Node) -> int:
    """The first accumulator it stems from."""
    return min(leaf.index for leaf in ordered([node]) if leaf.source == "acc")


def _crossing(recurrence: Recurrence, phase: Mapping[Node, int]) -> list[Node]:
    """The values of a phase that a later one reads."""
    computed = [(operand.node, operand.phase - 1) for operand in recurrence.operands if operand.node]
    read = [(node, recurrence.phases - 1) for node in recurrence.next] + computed
    read += [(argument, phase[node]) for node in phase for argument in node.arguments]
    return list(dict.fromkeys(node for node, at in read if FREE < phase[node] < at))


def _read_back(recurrence: Recurrence, backward: Backward, phase: Mapping[Node, int]) -> list[Node]:
    """The values of the step that gradients read, and the operands whose products have gradients."""
    outputs = [value for gradients in backward.phases for value in gradients.values]
    nodes = ordered(outputs, partial(_above, phase))
    operands = [operand.node for operand in recurrence.operands if operand.node]
    return [*operands, *(node for node in nodes if node in phase)]


def _above(border: Collection[Node], node: Node) -> tuple[Node, ...]:
    return () if node in border else node.arguments


def _handed_down(backward: Backward) -> tuple[Node, ...]:
    """What a phase needs of the cotangents of operands that only later phases are given."""
    last = len(backward.phases) - 1
    found: dict[Node, None] = {}
    for k, gradients in enumerate(backward.phases):
        later = {node for node, known in backward.known.items() if k < known < last}
        walk = ordered(gradients.values, partial(_above, later))
        found |= dict.fromkeys(node for node in walk if node in later)
    return tuple(found)
