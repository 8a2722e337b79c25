"""The C++ of a recurrence: its constants and the arithmetic of one element, forward and backward.

Plain C++17 over a scalar type `S` (float, double, or vectors of them), for CPU compilers and NVRTC. Whoever includes
the text defines the macro `FN` and a namespace `fn` with the operations of `harness.ops`, `select` for `where` and
`splat<S>(double)`. It does not depend on I, H, B or T.
"""

import inspect
from collections.abc import Sequence

from harness.cell import Cell
from harness_fused.differentiate import Backward, differentiate
from harness_fused.expressions import statements
from harness_fused.names import unique_names
from harness_fused.phases import phases_of
from harness_fused.recurrence import Node, Recurrence, X
from harness_fused.storing import Storage, store
from harness_fused.tracing import trace

FORWARD = "const S* acc, const S* state, const S* vector, S* kept, S* operand, S* next"
OPERANDS = "const S* state, const S* next, const S* vector, const S* kept, S* operand"
BACKWARD = """const S* state, const S* next, const S* vector, const S* kept, const S* d_operand,
                 const S* d_next, S* adjoint, S* d_acc, S* d_state, S* d_vector"""


def text_of(cell: Cell) -> str:
    """The C++ generated for a cell. Raises HarnessError, naming the operation, where its step cannot be fused."""
    return emit(trace(cell, 3, 5), inspect.getdoc(type(cell)) or cell.about.title)


def emit(recurrence: Recurrence, equation: str) -> str:
    """The text of `struct Cell` and of the functions `forward`, `operands` and `backward`. `equation`: its comment."""
    backward = differentiate(recurrence)
    storage = store(recurrence, backward)
    writer = Writer(recurrence, backward, storage)
    phases = range(recurrence.phases)
    comment = [f"// {line}".rstrip(" \\") for line in equation.split("\n\n", maxsplit=1)[0].splitlines()]
    return "\n".join(
        [
            *comment,
            *_constants(recurrence, storage),
            "",
            "template <int K, bool TRAIN, class S>",
            *_function("forward", FORWARD, [writer.forward(k) for k in phases]),
            "",
            "template <int K, class S>",
            *_function("operands", OPERANDS, [writer.operands(k) for k in phases]),
            "",
            "template <int K, class S>",
            *_function("backward", BACKWARD, [writer.backward(k) for k in phases]),
            "",
        ]
    )


class Writer:
    """The bodies of the functions, phase by phase."""

    def __init__(self, recurrence: Recurrence, backward: Backward, storage: Storage) -> None:
        self._recurrence = recurrence
        self._gradients = backward
        self._storage = storage
        self._phase = phases_of(recurrence)
        self._names = unique_names(recurrence, backward)
        nodes = {*self._phase, *backward.known}
        leaves = ("state", "vector", "d_next")
        self._leaves = {node: f"{node.source}[{node.index}]" for node in nodes if node.source in leaves}

    def forward(self, k: int) -> list[str]:
        """From accumulators of phase k to what is kept, the operands of phase k + 1 and the new states."""
        given = self._leaves | {
            node: f"acc[{node.index}]" for node in self._phase if node.source == "acc" and self._phase[node] == k
        }
        rows = list(enumerate(self._storage.kept))
        given |= {node: f"kept[{j}]" for j, node in rows[: self._storage.carried] if self._phase[node] < k}
        kept = [(f"kept[{j}] =", node) for j, node in rows if self._phase[node] == k]
        carried = [row for row in kept if row[1] in self._storage.kept[: self._storage.carried]]
        trained = [row for row in kept if row not in carried]
        following = [(f"next[{s}] =", node) for s, node in enumerate(self._recurrence.next)]
        last = following if k == self._recurrence.phases - 1 else []
        outputs = [*carried, *self._operands_after(k), *last]
        values, written = statements([*trained, *outputs], given, self._names)
        inside = written[: len(trained)]
        return [
            *values,
            *(["if constexpr (TRAIN) {", *_indented(inside), "}"] if inside else []),
            *written[len(trained) :],
        ]

    def operands(self, k: int) -> list[str]:
        """From what is stored to the operands of phase k + 1."""
        values, written = statements(self._operands_after(k), self._stored(), self._names)
        return values + written

    def backward(self, k: int) -> list[str]:
        """From what is stored and the cotangents known in phase k to gradients."""
        gradients, rows = self._gradients.phases[k], list(enumerate(self._storage.adjoints))
        known = self._gradients.known
        ready = {o for o, operand in enumerate(self._recurrence.operands) if operand.phase == k + 1}
        given = self._stored()
        given |= {
            node: f"d_operand[{node.index}]" for node in known if node.source == "d_operand" and node.index in ready
        }
        given |= {node: f"adjoint[{j}]" for j, node in rows if known[node] > k}
        outputs = [(f"adjoint[{j}] =", node) for j, node in rows if known[node] == k]
        outputs += [(f"d_acc[{i}] =", node) for i, node in gradients.acc.items()]
        outputs += [(f"d_state[{s}] = d_state[{s}] +", node) for s, node in gradients.state.items()]
        outputs += [(f"d_vector[{v}] = d_vector[{v}] +", node) for v, node in gradients.vector.items()]
        values, written = statements(outputs, given, self._names)
        return values + written

    def _stored(self) -> dict[Node, str]:
        """What backward can read: leaves, kept rows and new states."""
        kept = {node: f"kept[{j}]" for j, node in enumerate(self._storage.kept)}
        following = {node: f"next[{s}]" for s, node in enumerate(self._recurrence.next)}
        return {**kept, **following, **self._leaves}

    def _operands_after(self, k: int) -> list[tuple[str, Node]]:
        operands = enumerate(self._recurrence.operands)
        return [(f"operand[{o}] =", operand.node) for o, operand in operands if operand.node and operand.phase == k + 1]


def _constants(recurrence: Recurrence, storage: Storage) -> list[str]:
    accumulators, operands = recurrence.accumulators, recurrence.operands
    reads = [[any(term.operand == o for term in acc.terms) for o in range(len(operands))] for acc in accumulators]
    counts = {
        "STATES": len(recurrence.next),
        "ACCS": len(accumulators),
        "PHASES": recurrence.phases,
        "VECTORS": len(recurrence.vectors),
        "OPERANDS": len(operands),
        "KEPT_TRAIN": len(storage.kept),
        "KEPT_INFER": storage.carried,
        "ADJOINTS": len(storage.adjoints),
    }
    arrays: dict[str, Sequence[int]] = {
        "int PHASE_OF_ACC": [acc.phase for acc in accumulators],
        "int OPERAND_STATE": [-1 if operand.state is None else operand.state for operand in operands],
        "int PHASE_OF_OPERAND": [operand.phase for operand in operands],
        "bool READS_X": [any(term.operand == X for term in acc.terms) for acc in accumulators],
    }
    rows = ", ".join(_braces(row) for row in reads)
    return [
        "struct Cell {",
        *(f"  static constexpr int {name} = {value};" for name, value in counts.items()),
        *(f"  static constexpr {name}[{max(1, len(values))}] = {_braces(values)};" for name, values in arrays.items()),
        f"  static constexpr bool READS[{len(reads)}][{max(1, len(operands))}] = {{{rows}}};",
        "};",
    ]


def _braces(values: Sequence[int]) -> str:
    """An initialiser; an array of no elements gets one that nobody reads."""
    return "{" + ", ".join(str(value).lower() for value in values or [0]) + "}"


def _function(name: str, parameters: str, bodies: Sequence[list[str]]) -> list[str]:
    """One function; `bodies` by phase."""
    lines = [f"FN void {name}({parameters}) {{"]
    for k, body in enumerate(bodies):
        lines.append(f"  {'} else ' if k else ''}if constexpr (K == {k}) {{")
        lines += _indented(_indented(body))
    return [*lines, "  }", "}"]


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
