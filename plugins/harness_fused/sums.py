"""Linear merging: products and biases that are used only as one sum become one accumulator."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from harness_fused.graph import ordered
from harness_fused.recurrence import Bias, Matrix, Node
from harness_fused.symbols import Trace


@dataclass(frozen=True, slots=True)
class Sum:
    """One accumulator, and the other summands (`rest`) that the step adds to it."""

    products: tuple[tuple[Node | int, Matrix], ...]
    biases: tuple[Bias, ...]
    rest: tuple[Node, ...]

    @property
    def operands(self) -> list[Node]:
        """What its products read, but for the input."""
        return [operand for operand, _ in self.products if isinstance(operand, Node)]


def merge(trace: Trace, following: tuple[Node, ...]) -> dict[Node, Sum]:
    """The traced values that are accumulators, or sums with one, in the order of their first products.

    `following`: the new states. A product is absorbed by the addition that alone uses it, and that addition by
    the next. Biases beside a product join it, wherever else they are used.
    """
    products = list(trace.products)

    def needs(node: Node) -> Iterable[Node]:
        operand = products[node.index][0] if node.source == "acc" else None
        return (operand,) if isinstance(operand, Node) else node.arguments

    nodes = ordered(following, needs)
    uses = Counter(following) + Counter(argument for node in nodes for argument in needs(node))
    added = {argument for node in nodes if node.name == "add" for argument in node.arguments}
    linear: set[Node] = set()  # products, and additions that absorb one

    def absorbed(node: Node) -> bool:
        return node in linear and node in added and uses[node] == 1

    for node in nodes:
        if node.source == "acc" or (node.name == "add" and any(map(absorbed, node.arguments))):
            linear.add(node)
    found = []
    for node in nodes:
        if node in linear and not absorbed(node):
            leaves = _leaves(node, {node, *filter(absorbed, nodes)})
            mine = [leaf.index for leaf in leaves if leaf.source == "acc" and (leaf is node or absorbed(leaf))]
            biases = [trace.vectors[leaf.index] for leaf in leaves if _is_bias(leaf)]
            rest = [leaf for leaf in leaves if not _is_bias(leaf) and not (leaf.source == "acc" and leaf.index in mine)]
            found.append((min(mine), node, Sum(tuple(products[k] for k in mine), tuple(biases), tuple(rest))))
    return {node: made for _, node, made in sorted(found, key=lambda item: item[0])}


def _leaves(node: Node, inside: Collection[Node]) -> list[Node]:
    """The summands, after taking apart the additions that are `inside` and those of biases."""
    if node.name != "add" or not (node in inside or _is_bias(node)):
        return [node]
    return [leaf for argument in node.arguments for leaf in _leaves(argument, inside)]


def _is_bias(node: Node) -> bool:
    return node.source == "vector" or (node.name == "add" and all(map(_is_bias, node.arguments)))
