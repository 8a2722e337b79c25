"""The smallest set of values that separates what is read from what it stems from (Menger; Ford & Fulkerson 1956)."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from harness_fused.recurrence import Node

MANY = 1 << 30
Vertex = tuple[str, Node | None]
BEGIN: Vertex = ("begin", None)
END: Vertex = ("end", None)


def smallest_cut(read: Iterable[Node], stems_from: Callable[[Node], Iterable[Node] | None]) -> set[Node]:
    """The fewest values from which all of `read` follow; of several such sets the one nearest to `read`.

    `stems_from`: the values a value is computed from, or None where it must not be computed again.
    """
    capacity = _network(read, stems_from)
    while True:
        before = _paths(capacity)
        if END not in before:
            return {node for side, node in before if side == "in" and node and ("out", node) not in before}
        vertex = END
        while vertex != BEGIN:
            capacity[before[vertex]][vertex] -= 1
            capacity[vertex][before[vertex]] = capacity[vertex].get(before[vertex], 0) + 1
            vertex = before[vertex]


def _network(
    read: Iterable[Node], stems_from: Callable[[Node], Iterable[Node] | None]
) -> dict[Vertex, dict[Vertex, int]]:
    """Every value as an edge of capacity 1 from its "in" to its "out"; all other edges are wide."""
    capacity: dict[Vertex, dict[Vertex, int]] = {BEGIN: {}, END: {}}
    waiting = list(read)
    for node in waiting:
        capacity[BEGIN]["in", node] = MANY
    while waiting:
        node = waiting.pop()
        if ("in", node) in capacity:
            continue
        capacity["in", node] = {("out", node): 1}
        sources = stems_from(node)
        capacity["out", node] = {END: MANY} if sources is None else {("in", source): MANY for source in sources}
        waiting.extend(sources or ())
    return capacity


def _paths(capacity: Mapping[Vertex, Mapping[Vertex, int]]) -> dict[Vertex, Vertex]:
    """Every vertex that a path with capacity left reaches from the beginning → the vertex before it."""
    before = {BEGIN: BEGIN}
    queue = deque([BEGIN])
    while queue:
        vertex = queue.popleft()
        for following, left in capacity[vertex].items():
            if left and following not in before:
                before[following] = vertex
                queue.append(following)
    return before
