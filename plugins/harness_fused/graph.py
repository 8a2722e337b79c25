"""Pointwise values as a graph in which every value exists once."""

import operator
from collections.abc import Callable, Iterable, Iterator

from harness_fused.recurrence import Node, Source

COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
"""Operations whose result is a condition for `where`."""

COMMUTATIVE = {"add", "mul", "maximum", "minimum", "equal", "not_equal"}
LARGEST_POWER = 8
"""The largest constant exponent that is written as multiplications."""


class Graph:
    """Makes values. Equal values are one object, and what an identity of arithmetic removes is never made.

    Simplifications change no result but the sign of a zero: 0 + a, 1 · a, a − (−b), −(a − b), a², …
    """

    def __init__(self, known: Iterable[Node] = ()) -> None:
        self._nodes = {_key(node): node for node in ordered(known)}

    def constant(self, value: float) -> Node:
        """A number."""
        return self._once(Node(source="constant", value=float(value)))

    def leaf(self, source: Source, index: int) -> Node:
        """An accumulator, state, vector or cotangent."""
        return self._once(Node(source=source, index=index))

    def operation(self, name: str, *arguments: Node) -> Node:
        """`name(*arguments)`, simplified."""
        if name in FOLDED and all(map(is_constant, arguments)):
            return self.constant(FOLDED[name](*(argument.value for argument in arguments)))
        simpler = SIMPLER.get(name)
        if simpler and (found := simpler(self, *arguments)):
            return found
        return self._once(Node(source="operation", name=name, arguments=arguments))

    def total(self, values: Iterable[Node]) -> Node:
        """The sum, from left to right; zero for none."""
        result = self.constant(0)
        for value in values:
            result = self.operation("add", result, value)
        return result

    def _once(self, node: Node) -> Node:
        return self._nodes.setdefault(_key(node), node)


FOLDED: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
}
"""Arithmetic on numbers that is done at once; derivatives make it."""


def ordered(roots: Iterable[Node], beyond: Callable[[Node], Iterable[Node]] | None = None) -> list[Node]:
    """Every value the roots depend on, arguments first. `beyond`: what a value depends on, if not its arguments."""
    needs = beyond or (lambda node: node.arguments)
    done: dict[Node, None] = {}
    for root in roots:
        open_: list[tuple[Node, Iterator[Node]]] = [] if root in done else [(root, iter(needs(root)))]
        while open_:
            argument = next((a for a in open_[-1][1] if a not in done), None)
            if argument is None:
                done[open_.pop()[0]] = None
            else:
                open_.append((argument, iter(needs(argument))))
    return list(done)


def is_constant(node: Node, value: float | None = None) -> bool:
    """Whether it is a number, or this number."""
    return node.source == "constant" and value in (None, node.value)


def _key(node: Node) -> object:
    arguments = frozenset(node.arguments) if node.name in COMMUTATIVE else node.arguments
    return node.source, node.name, node.index, node.value.hex(), arguments


def _add(graph: Graph, a: Node, b: Node) -> Node | None:
    if is_constant(a, 0):
        return b
    if is_constant(b, 0):
        return a
    if b.name == "neg":
        return graph.operation("sub", a, *b.arguments)
    return graph.operation("sub", b, *a.arguments) if a.name == "neg" else None


def _sub(graph: Graph, a: Node, b: Node) -> Node | None:
    if is_constant(b, 0):
        return a
    if is_constant(a, 0):
        return graph.operation("neg", b)
    return graph.operation("add", a, *b.arguments) if b.name == "neg" else None


def _mul(graph: Graph, a: Node, b: Node) -> Node | None:
    for number, other in ((a, b), (b, a)):
        if is_constant(number, 1):
            return other
        if is_constant(number, -1):
            return graph.operation("neg", other)
        if number.name == "neg":
            return graph.operation("neg", graph.operation("mul", *number.arguments, other))
    return None


def _div(graph: Graph, a: Node, b: Node) -> Node | None:
    if is_constant(b, 1):
        return a
    return graph.operation("neg", graph.operation("div", *a.arguments, b)) if a.name == "neg" else None


def _neg(graph: Graph, a: Node) -> Node | None:
    if a.name == "neg":
        return a.arguments[0]
    return graph.operation("sub", *a.arguments[::-1]) if a.name == "sub" else None


def _pow(graph: Graph, a: Node, b: Node) -> Node | None:
    if is_constant(b, 0.5):
        return graph.operation("sqrt", a)
    if is_constant(b, -1):
        return graph.operation("div", graph.constant(1), a)
    if not (is_constant(b) and b.value in range(LARGEST_POWER + 1)):
        return None
    result, square, rest = graph.constant(1), a, int(b.value)
    while rest:
        if rest % 2:
            result = graph.operation("mul", result, square)
        rest //= 2
        square = graph.operation("mul", square, square) if rest else square
    return result


def _where(_: Graph, condition: Node, a: Node, b: Node) -> Node | None:  # noqa: ARG001 the choice is between equals
    return a if a is b else None


SIMPLER: dict[str, Callable[..., Node | None]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "pow": _pow,
    "where": _where,
}
