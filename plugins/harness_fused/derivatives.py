"""The derivative of every operation, as values.

From the stored result where it says enough (sigmoid, tanh, exp, sqrt, relu). Conventions are torch's: |a| and relu have
slope 0 at 0; where maximum or minimum tie, each argument gets half; a power has slope 0 where the exponent is 0.
"""

from collections.abc import Callable

from harness_fused.graph import Graph, is_constant
from harness_fused.recurrence import Node

Rule = Callable[[Graph, Node, Node], tuple[Node | None, ...]]


def _add(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:  # noqa: ARG001 rules have one signature
    return d, d


def _sub(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:  # noqa: ARG001
    return d, graph.operation("neg", d)


def _neg(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:  # noqa: ARG001
    return (graph.operation("neg", d),)


def _mul(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    a, b = node.arguments
    return graph.operation("mul", d, b), graph.operation("mul", d, a)


def _div(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    share = graph.operation("div", d, node.arguments[1])
    return share, graph.operation("neg", graph.operation("mul", share, node))


def _pow(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    a, b = node.arguments
    op, zero, one = graph.operation, graph.constant(0), graph.constant(1)
    d_a = op("mul", d, op("mul", b, op("pow", a, op("sub", b, one))))
    d_b = op("mul", d, op("mul", node, op("log", a)))
    if not is_constant(b):
        d_a = op("where", op("equal", b, zero), zero, d_a)
    return d_a, op("where", op("equal", a, zero), zero, d_b)


def _sigmoid(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    slope = graph.operation("mul", node, graph.operation("sub", graph.constant(1), node))
    return (graph.operation("mul", d, slope),)


def _tanh(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    slope = graph.operation("sub", graph.constant(1), graph.operation("mul", node, node))
    return (graph.operation("mul", d, slope),)


def _relu(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    zero = graph.constant(0)
    return (graph.operation("where", graph.operation("less_equal", node, zero), zero, d),)


def _exp(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    return (graph.operation("mul", d, node),)


def _log(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    return (graph.operation("div", d, node.arguments[0]),)


def _softplus(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    return (graph.operation("mul", d, graph.operation("sigmoid", node.arguments[0])),)


def _sqrt(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    return (graph.operation("div", d, graph.operation("add", node, node)),)


def _abs(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    (a,) = node.arguments
    zero = graph.constant(0)
    negative = graph.operation("where", graph.operation("less", a, zero), graph.operation("neg", d), zero)
    return (graph.operation("where", graph.operation("greater", a, zero), d, negative),)


def _extreme(loses: str) -> Rule:
    """The rule of maximum, whose argument loses where it is "less", or of minimum ("greater")."""

    def rule(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
        a, b = node.arguments
        op, zero = graph.operation, graph.constant(0)
        shared = op("where", op("equal", a, b), op("mul", graph.constant(0.5), d), d)
        return op("where", op(loses, a, b), zero, shared), op("where", op(loses, b, a), zero, shared)

    return rule


def _where(graph: Graph, node: Node, d: Node) -> tuple[Node | None, ...]:
    condition, _, _ = node.arguments
    zero = graph.constant(0)
    return None, graph.operation("where", condition, d, zero), graph.operation("where", condition, zero, d)


RULES: dict[str, Rule] = {
    "add": _add,
    "sub": _sub,
    "neg": _neg,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "relu": _relu,
    "exp": _exp,
    "log": _log,
    "softplus": _softplus,
    "sqrt": _sqrt,
    "abs": _abs,
    "maximum": _extreme("less"),
    "minimum": _extreme("greater"),
    "where": _where,
}
"""Operation → (graph, value, its gradient) → the gradients of its arguments. Comparisons have none."""
