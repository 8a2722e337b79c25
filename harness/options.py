"""Options are the fields of a frozen dataclass: read them, write them, refuse what does not fit."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from harness.errors import HarnessError, unknown
from harness.spelling import Scalar

T = TypeVar("T")


def options_of(value: Any) -> dict[str, Scalar]:
    """Every option of a cell, a task or a settings value, written out."""
    return {field.name: getattr(value, field.name) for field in _fields(value)}


def changed_options(value: Any) -> dict[str, Scalar]:
    """The options that differ from their defaults: what a spelling shows."""
    return {f.name: getattr(value, f.name) for f in _fields(value) if getattr(value, f.name) != f.default}


def configure(value: T, options: Mapping[str, Any], *, kind: str) -> T:
    """A copy of `value` with `options` set, each checked against its field's type.

    Raises HarnessError for an unknown option (with the nearest name) and for a value of the wrong type;
    what the dataclass itself refuses in `__post_init__` passes through.
    """
    if not options:
        return value
    hints = typing.get_type_hints(type(value))
    known = {field.name for field in _fields(value)}
    checked = {}
    for name, found in options.items():
        if name not in known:
            raise unknown(f"option of {kind}", name, known)
        checked[name] = fit(found, hints[name], f"{kind}.{name}")
    return dataclasses.replace(value, **checked)  # type: ignore[type-var]


def fit(found: Any, wanted: Any, where: str) -> Any:
    """`found` as the type `wanted`; whole numbers pass as floats, nothing else is converted."""
    choices = typing.get_args(wanted) if _is_union(wanted) else (wanted,)
    for choice in choices:
        if typing.get_origin(choice) is typing.Literal:
            if found in typing.get_args(choice):
                return found
        elif choice is float and isinstance(found, int | float) and not isinstance(found, bool):
            if math.isfinite(found):
                return float(found)
        elif choice in (None, types.NoneType):
            if found is None:
                return None
        elif isinstance(choice, type) and type(found) is choice:  # exactly: True is no whole number
            return found
    raise HarnessError(f"wanted {_describe(choices)} for {where}, found {found!r}")


def _fields(value: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _describe(choices: tuple[Any, ...]) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
    texts = []
    for choice in choices:
        if typing.get_origin(choice) is typing.Literal:
            texts += [repr(option) for option in typing.get_args(choice)]
        else:
            texts.append("none" if choice in (None, types.NoneType) else words.get(choice, str(choice)))
    return " or ".join(texts)
