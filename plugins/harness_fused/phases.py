"""From a traced step to its normal form: which accumulator waits for which, and what its products read."""

from collections.abc import Iterable, Mapping

from harness.errors import HarnessError
from harness_fused.graph import Graph, ordered
from harness_fused.recurrence import Accumulator, Node, Operand, Recurrence, Term, X
from harness_fused.sums import Sum, merge
from harness_fused.symbols import Trace

FREE = -1
"""The phase of what waits for no product: constants, vectors, previous states and what follows from them."""


def normal_form(trace: Trace, following: tuple[Node, ...], names: Mapping[Node, str]) -> Recurrence:
    """The recurrence of a traced step. `following`: the new states; `names`: what the author calls values.

    Raises HarnessError for a step without a product.
    """
    sums = merge(trace, following)
    live = ordered(following, lambda node: _needs(node, sums))
    phase = _accumulator_phases(live, sums)
    place = {node: k for k, node in enumerate(sums)}
    roots = sorted((node for node in live if node in sums), key=lambda node: (phase[node], place[node]))
    if not roots:
        raise HarnessError("the step has no product (`@`) of its input or states: there is nothing to fuse")
    vectors = [node for node in live if node.source == "vector"]
    new = _rewritten(live, sums, {node: k for k, node in enumerate(roots)}, {node: k for k, node in enumerate(vectors)})
    read = dict.fromkeys((phase[root], new[operand]) for root in roots for operand in sums[root].operands)
    read_in_order = sorted(read, key=lambda key: (key[0], key[1].source != "state", key[1].index))
    index = {key: k for k, key in enumerate(read_in_order)}

    def accumulator(root: Node) -> Accumulator:
        operands = [index[phase[root], new[o]] if isinstance(o, Node) else X for o, _ in sums[root].products]
        terms = tuple(Term(o, matrix) for o, (_, matrix) in zip(operands, sums[root].products, strict=True))
        return Accumulator(phase[root], terms, sums[root].biases)

    return Recurrence(
        inputs=trace.inputs,
        hidden=trace.hidden,
        accumulators=tuple(accumulator(root) for root in roots),
        operands=tuple(_operand(*key) for key in read_in_order),
        vectors=tuple(trace.vectors[node.index] for node in vectors),
        next=tuple(new[node] for node in following),
        names={new[node]: name for node, name in names.items() if node in new},
    )


def phases_of(recurrence: Recurrence) -> dict[Node, int]:
    """The phase in which each value of a step can be had first; `FREE` for what waits for no product."""
    roots = [*recurrence.next, *(operand.node for operand in recurrence.operands if operand.node)]
    phase: dict[Node, int] = {}
    for node in ordered(roots):
        own = recurrence.accumulators[node.index].phase if node.source == "acc" else FREE
        phase[node] = max((phase[argument] for argument in node.arguments), default=own)
    return phase


def _needs(node: Node, sums: Mapping[Node, Sum]) -> Iterable[Node]:
    made = sums.get(node)
    return [*made.operands, *made.rest] if made else node.arguments


def _accumulator_phases(live: Iterable[Node], sums: Mapping[Node, Sum]) -> dict[Node, int]:
    """The phase of each sum's accumulator: 0, or that after the latest operand which the step computes."""
    ready: dict[Node, int] = {}
    phase: dict[Node, int] = {}
    for node in live:
        if node in sums:
            waits = [max(ready[o], 0) + 1 for o in sums[node].operands if o.source != "state"]
            phase[node] = max(waits, default=0)
            ready[node] = max([phase[node], *(ready[summand] for summand in sums[node].rest)])
        else:
            ready[node] = max((ready[argument] for argument in node.arguments), default=FREE)
    return phase


def _rewritten(
    live: Iterable[Node], sums: Mapping[Node, Sum], accumulators: Mapping[Node, int], vectors: Mapping[Node, int]
) -> dict[Node, Node]:
    """Live traced values → values of the normal form, with accumulators and vectors by their new places."""
    graph = Graph()
    new: dict[Node, Node] = {}
    for node in live:
        if node in sums:
            new[node] = graph.total([graph.leaf("acc", accumulators[node]), *(new[o] for o in sums[node].rest)])
        elif node.source == "operation":
            new[node] = graph.operation(node.name, *(new[argument] for argument in node.arguments))
        elif node.source == "constant":
            new[node] = graph.constant(node.value)
        else:
            new[node] = graph.leaf(node.source, vectors.get(node, node.index))
    return new


def _operand(phase: int, node: Node) -> Operand:
    return Operand(phase, node.index, None) if node.source == "state" else Operand(phase, None, node)
