"""Values as C++ statements: what is used twice or has a name becomes a local, the rest stands where it is used."""

from collections import Counter
from collections.abc import Mapping, Sequence

from harness_fused.graph import COMPARISONS, ordered
from harness_fused.recurrence import Node

INFIX = {
    "add": ("+", 3),
    "sub": ("-", 3),
    "mul": ("*", 4),
    "div": ("/", 4),
    "less": ("<", 2),
    "less_equal": ("<=", 2),
    "greater": (">", 2),
    "greater_equal": (">=", 2),
    "equal": ("==", 1),
    "not_equal": ("!=", 1),
}
"""Operation → sign and precedence."""

UNARY, ATOM = 5, 6
NUMBERS = {0.0: "zero", 0.5: "half", 1.0: "one", 2.0: "two"}


def statements(
    outputs: Sequence[tuple[str, Node]], given: Mapping[Node, str], names: Mapping[Node, str]
) -> tuple[list[str], list[str]]:
    """The lines that compute values, and those that write the outputs: pairs of a beginning ("next[0] =") and a value.

    `given`: values that exist already, as text; `names`: of values, unique, used where a local is made.
    """
    nodes = ordered([value for _, value in outputs], lambda node: () if node in given else node.arguments)
    uses = Counter(value for _, value in outputs)
    uses.update(argument for node in nodes if node not in given for argument in node.arguments)
    text: dict[Node, tuple[str, int]] = {}
    loaded: list[str] = []
    computed: list[str] = []
    numbered = 0
    for node in nodes:
        written = (given[node], ATOM) if node in given else _expression(node, text)
        name = names.get(node)
        if name is None and node.source == "constant":
            name = NUMBERS.get(node.value)
        if name or node.source == "constant" or (uses[node] > 1 and node not in given):
            numbered += not name
            name = name or f"v{numbered}"
            kind = "auto" if node.name in COMPARISONS else "S"
            (computed if node.source == "operation" and node not in given else loaded).append(
                f"const {kind} {name} = {written[0]};"
            )
            written = (name, ATOM)
        text[node] = written
    return loaded + computed, [f"{beginning} {text[value][0]};" for beginning, value in outputs]


def _expression(node: Node, text: Mapping[Node, tuple[str, int]]) -> tuple[str, int]:
    """The text of one operation, and its precedence."""
    if node.source == "constant":
        return f"fn::splat<S>({node.value!r})", ATOM
    parts = [text[argument] for argument in node.arguments]
    if node.name in INFIX:
        sign, rank = INFIX[node.name]
        left, right = _within(parts[0], rank), _within(parts[1], rank + 1)
        return f"{left} {sign} {right}", rank
    if node.name == "neg":
        return f"-{_within(parts[0], ATOM)}", UNARY
    name = "select" if node.name == "where" else node.name
    return f"fn::{name}({', '.join(part for part, _ in parts)})", ATOM


def _within(part: tuple[str, int], rank: int) -> str:
    return part[0] if part[1] >= rank else f"({part[0]})"
