"""Tables of rows by key, to which plugins and other packages' entry points add. Floor 0."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint
from typing import Generic, Protocol, TypeVar

from calm_pl.entry_points import described, load_point, points_of
from calm_pl.errors import ConfigError


class Row(Protocol):
    """What every row must have."""

    @property
    def key(self) -> str:
        """Return the name in configurations, files and Python."""

    @property
    def title(self) -> str:
        """Return the name in tables and figures."""


R = TypeVar("R", bound=Row)


class RowTable(Generic[R]):
    """Rows by key, in order.

    Args:
        kind: the class of the rows.
        group: the group of entry points that add rows, read when the table is first used.
        noun: what errors call the rows.
        rows: the built-in rows.
    """

    def __init__(self, kind: type[R], group: str, noun: str, rows: Iterable[R]) -> None:
        self.kind = kind
        self.group = group
        self.noun = noun
        self._rows = {row.key: row for row in rows}
        self._entry_points_read = False

    def __iter__(self) -> Iterator[R]:
        return iter(self._all().values())

    def __contains__(self, key: object) -> bool:
        return key in self._all()

    def __getitem__(self, key: str) -> R:
        """Return a row.

        Raises:
            ConfigError: there is no such row.
        """
        rows = self._all()
        if key not in rows:
            near = difflib.get_close_matches(key, rows, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError([f"{self.noun}: must be among {', '.join(rows)}, but contains {key!r}{hint}"])
        return rows[key]

    def get(self, key: str) -> R | None:
        """Return a row; None if there is none, since Python code may name its voters freely."""
        return self._all().get(key)

    def keys(self) -> tuple[str, ...]:
        """Return all keys."""
        return tuple(self._all())

    def add(self, row: R) -> None:
        """Append the row of a plugin or another package.

        Raises:
            ConfigError: another row has the key.
        """
        before = self._rows.get(row.key)
        if before is not None and before != row:
            raise ConfigError([f"{self.noun}: {row.key} already exists ({before.title}); rename the new one"])
        self._rows[row.key] = row

    def _all(self) -> dict[str, R]:
        if not self._entry_points_read:
            self._entry_points_read = True
            for point in points_of(self.group).values():
                self.add(self._load(point))
        return self._rows

    def _load(self, point: EntryPoint) -> R:
        row = load_point(point, f"{self.noun}: the entry point", lambda problem: ConfigError([problem]))
        if not isinstance(row, self.kind):
            where = described(point, f"{self.noun}: the entry point")
            raise ConfigError([f"{where} must be a {public_name(self.kind)}, but is {row!r}"])
        return row


def public_name(kind: type[object]) -> str:
    """Return the name under which users import a row's class, from its package."""
    return f"{kind.__module__.rpartition('.')[0]}.{kind.__name__}"
