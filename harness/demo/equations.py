"""A cell's equations as MathML, read from the source of its `step`: what is shown is what was trained."""

import ast
import inspect
import textwrap
from collections.abc import Iterator

from markupsafe import Markup

from harness.cell import Cell
from harness.demo.tags import tag

PREFIXES = {"weight": "W", "bias": "b"}
FUNCTIONS = {"sigmoid": "σ"}
SIGNS: dict[type[ast.operator], tuple[int, str]] = {ast.Add: (1, "+"), ast.Sub: (1, "−"), ast.Mult: (2, "∘")}
PRODUCT, ATOM = 2, 3


class _Unreadable(Exception):
    """The step is written in a way that this reader does not know."""


def equations(cell: Cell) -> list[Markup]:
    """One <math> a line of the step; none where it is written otherwise than in assignments of plain arithmetic."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(type(cell).step)))
        return [_line(left, right) for left, right in _Reader(list(cell.states(1, 1))).lines(tree)]
    except (_Unreadable, OSError, SyntaxError):
        return []


def _line(left: Markup, right: Markup) -> Markup:
    return tag("math", tag("mrow", left, tag("mo", "="), right), display="block")


class _Reader:
    """Reads assignments from above. `written`: names that now mean a state of this step, no more of the last one."""

    def __init__(self, states: list[str]) -> None:
        self.states, self.old, self.written = states, set[str](), set[str]()
        self.inlined: dict[str, ast.expr] = {}

    def lines(self, tree: ast.Module) -> Iterator[tuple[Markup, Markup]]:
        function = tree.body[0]
        if not isinstance(function, ast.FunctionDef):
            raise _Unreadable
        split = {_split_name(node.value) for node in function.body if isinstance(node, ast.Assign)}
        for node in function.body[1:] if ast.get_docstring(function) else function.body:
            if isinstance(node, ast.Return):
                yield from self._returned(node.value)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                yield from self._assigned(node.targets[0], node.value, split)
            else:
                raise _Unreadable

    def _assigned(self, target: ast.expr, value: ast.expr, split: set[str]) -> Iterator[tuple[Markup, Markup]]:
        names = [target] if isinstance(target, ast.Name) else target.elts if isinstance(target, ast.Tuple) else []
        words = [name.id for name in names if isinstance(name, ast.Name)]
        if not words or len(words) != len(names):
            raise _Unreadable
        if isinstance(value, ast.Name) and value.id == "state":
            self.old = set(words)
        elif words[0] in split:
            self.inlined[words[0]] = value
        else:
            right = self._expression(value)[0]
            self.written |= set(words)
            yield _row(map(self._name, words)), right

    def _returned(self, value: ast.expr | None) -> Iterator[tuple[Markup, Markup]]:
        if not isinstance(value, ast.Tuple):
            raise _Unreadable
        for state, element in zip(self.states, value.elts, strict=True):
            if not isinstance(element, ast.Name):
                yield tag("msub", tag("mi", state), tag("mi", "t")), self._expression(element)[0]

    def _expression(self, node: ast.expr) -> tuple[Markup, int]:
        """The MathML and how tightly it binds."""
        match node:
            case ast.Name():
                return self._name(node.id), ATOM
            case ast.Constant(value=int() | float() as number):
                return tag("mn", f"{number:g}"), ATOM
            case ast.Subscript() | ast.Attribute(value=ast.Subscript(), attr="T"):
                return _parameter(node), ATOM
            case ast.BinOp(left=left, op=ast.MatMult(), right=right):
                return tag("mrow", self._bound(right, PRODUCT), self._bound(left, PRODUCT)), PRODUCT
            case ast.BinOp(left=left, op=op, right=right) if type(op) in SIGNS:
                binds, sign = SIGNS[type(op)]
                parts = self._bound(left, binds), tag("mo", sign), self._bound(right, binds + isinstance(op, ast.Sub))
                return tag("mrow", *parts), binds
            case ast.Call(func=ast.Attribute(value=ast.Name(id="ops"), attr=name), args=[argument, *_]):
                return self._called(name, argument)
        raise _Unreadable

    def _called(self, name: str, argument: ast.expr) -> tuple[Markup, int]:
        """A function of `ops`; what is split into parts stands for them all, written as one."""
        if name == "split":
            whole = argument.id if isinstance(argument, ast.Name) else ""
            return self._expression(self.inlined.get(whole, argument))
        if isinstance(argument, ast.List):
            raise _Unreadable
        called = tag("mi", FUNCTIONS.get(name, name))
        return tag("mrow", called, _bracketed(self._expression(argument)[0])), ATOM

    def _bound(self, node: ast.expr, binds: int) -> Markup:
        found, own = self._expression(node)
        return found if own >= binds else _bracketed(found)

    def _name(self, name: str) -> Markup:
        """x, and the states of this step and the last, with their time; others with what follows a low line."""
        if name == "x" or (name in self.old and name in self.written):
            return tag("msub", tag("mi", name), tag("mi", "t"))
        if name in self.old:
            before = tag("mrow", tag("mi", "t"), tag("mo", "−"), tag("mn", "1"))
            return tag("msub", tag("mi", name), before)
        head, _, rest = name.partition("_")
        return tag("msub", tag("mi", head), tag("mi", rest)) if rest else tag("mi", head)


def _split_name(value: ast.expr) -> str:
    """The name that a call of `ops.split` takes apart; "" for anything else."""
    match value:
        case ast.Call(func=ast.Attribute(attr="split"), args=[ast.Name(id=name), _]):
            return name
    return ""


def _parameter(node: ast.expr) -> Markup:
    """p["weight_ih"] or its transpose as W with its index: vectors are columns here, rows there."""
    match node.value if isinstance(node, ast.Attribute) else node:
        case ast.Subscript(value=ast.Name(id="p"), slice=ast.Constant(value=str() as name)):
            head, _, rest = name.partition("_")
        case _:
            raise _Unreadable
    shown = tag("mi", PREFIXES.get(head, head))
    return tag("msub", shown, tag("mi", rest)) if rest else shown


def _bracketed(inside: Markup) -> Markup:
    return tag("mrow", tag("mo", "("), inside, tag("mo", ")"))


def _row(names: Iterator[Markup]) -> Markup:
    first, *others = names
    if not others:
        return first
    return _bracketed(tag("mrow", first, *(part for name in others for part in (tag("mo", ","), name))))
