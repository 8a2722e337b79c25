"""A finished table, and the remarks beneath it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

OPTIONAL = (
    *("FLOPs", "state", "in cells", "first", "forward finds", "kept for backward", "÷ baseline", "forward is"),
    *("forward ×", "train finds", "forward", "steps"),
)
"""Columns that any table may leave out, the first one first."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence beneath a table: said where one of the columns it is about is shown, or always if it is of none."""

    text: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A table as a reader sees it. `optional` columns may be left out, in that order.

    `trials`: by row the ids of the trials it tells of, for whoever wants to repeat it; empty where rows tell of none.
    `topic`: the part of the report it belongs to.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[Remark, ...] = ()
    optional: tuple[str, ...] = ()
    trials: tuple[tuple[str, ...], ...] = ()
    topic: str = ""

    @property
    def note(self) -> str:
        """The remarks on what is shown."""
        said = (one.text for one in self.remarks if not one.about or not {*self.columns}.isdisjoint(one.about))
        return " ".join(said)

    def without(self, column: str) -> "Shown":
        """The same table without a column."""
        kept = [place for place, name in enumerate(self.columns) if name != column]
        return replace(
            self,
            columns=tuple(self.columns[place] for place in kept),
            rows=tuple(tuple(row[place] for place in kept) for row in self.rows),
        )


@dataclass(frozen=True, slots=True)
class Content:
    """What a report says: the findings and the tables, made once for all its pages."""

    sentences: tuple[str, ...]
    tables: tuple[Shown, ...]


def show(
    title: str,
    rows: list[dict[str, str]],
    remarks: Iterable[Remark],
    optional: tuple[str, ...] = (),
    trials: Iterable[tuple[str, ...]] = (),
) -> Shown:
    """The table of rows that all have the first one's columns; those in `OPTIONAL` or `optional` may be left out."""
    return Shown(
        title=title,
        columns=tuple(rows[0]),
        rows=tuple(tuple(row.values()) for row in rows),
        remarks=tuple(remarks),
        optional=tuple(name for name in (*OPTIONAL, *optional) if name in rows[0]),
        trials=tuple(trials),
    )
