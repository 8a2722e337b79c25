"""What values are called in generated text: as the step's author calls them, as far as C++ allows."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain, count

from harness_fused.differentiate import Backward
from harness_fused.graph import ordered
from harness_fused.recurrence import Node, Recurrence

# fmt: off
RESERVED = frozenset({
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch",
    "char", "char16_t", "char32_t", "class", "compl", "const", "constexpr", "const_cast", "continue", "decltype",
    "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false",
    "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new", "noexcept",
    "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public", "register",
    "reinterpret_cast", "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct",
    "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "union",
    "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
    "acc", "state", "vector", "kept", "operand", "next", "adjoint", "d_acc", "d_state", "d_vector", "d_next",
    "d_operand", "forward", "backward", "operands", "Cell", "FN", "K", "REAL", "S", "TRAIN", "fn", "zero", "half",
    "one", "two",
})
# fmt: on
"""C++'s words and those of the generated text."""


def unique_names(recurrence: Recurrence, backward: Backward) -> dict[Node, str]:
    """A name of its own for every value that has one: states, vectors, the author's variables and their gradients."""
    nodes = ordered([*recurrence.next, *(operand.node for operand in recurrence.operands if operand.node)])
    wanted = {node: recurrence.names[node] for node in nodes if node.source == "state"}
    wanted |= {node: recurrence.vectors[node.index].parameter for node in nodes if node.source == "vector"}
    wanted |= {node: name for node, name in _moved(recurrence, nodes).items() if node not in wanted}
    wanted |= {node: name for node, name in backward.names.items() if node not in wanted}
    taken: set[str] = set()
    names: dict[Node, str] = {}
    for node, name in wanted.items():
        plain = name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and "__" not in name else "value"
        tries = (f"{plain}{ending}" for ending in chain([""], (f"_{k}" for k in count(2))))
        names[node] = next(found for found in tries if found not in taken and not _reserved(found))
        taken.add(names[node])
    return names


def _moved(recurrence: Recurrence, nodes: Iterable[Node]) -> dict[Node, str]:
    """The author's names. An accumulator read by one nonlinearity alone hands it its name: i = sigmoid(i)."""
    names = dict(recurrence.names)
    readers = Counter(argument for node in nodes for argument in node.arguments)
    for node in nodes:
        first = node.arguments[0] if len(node.arguments) == 1 else node
        if first.source == "acc" and first in names and node not in names and readers[first] == 1:
            names[node] = names.pop(first)
    return names


def _reserved(name: str) -> bool:
    return name in RESERVED or re.fullmatch(r"v\d+", name) is not None
