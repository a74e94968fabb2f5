"""Fields of users' rows: which column has which role, and what its values mean."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from calm_pl.data.settings import ColumnSettings
from calm_pl.data.tables import Row
from calm_pl.errors import DataError

PATH_COLUMNS = ("path", "wav", "audio", "file", "filename", "video")
LABEL_COLUMNS = ("mapped_label", "correct_label", "label", "labels", "category", "class")


def check_columns(columns: ColumnSettings, known: Collection[str], where: str) -> None:
    """Raise where `data.columns` names a column that is not there.

    Raises:
        DataError: names the setting and the columns that are there.
    """
    for field in fields(columns):
        name = getattr(columns, field.name)
        if name is not None and name != field.default and name not in known:
            raise DataError(
                f"data.columns.{field.name} is {name!r}, but {where} has the columns"
                f" {', '.join(sorted(known))}."
            )


def column_of(configured: str | None, usual: tuple[str, ...], row: Row, what: str) -> str:
    """Return the configured column, else the first of the usual ones that a row has.

    Raises:
        DataError: neither is there; names the row and its columns.
    """
    for name in (configured,) if configured else usual:
        if row.values.get(name) not in (None, ""):
            return name
    wanted = repr(configured) if configured else "any of " + ", ".join(usual)
    raise DataError(
        f"{row.where}: has no {what}: {wanted} must be there and not empty, but there are"
        f" {', '.join(row.values)}; data.columns.{what} names another column."
    )


def one_text(values: Mapping[str, Any], column: str | None, where: str) -> str:
    """Return a field as a string; empty if it is absent.

    Raises:
        DataError: it is neither text nor a whole number.
    """
    value = values.get(column) if column else None
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DataError(f"{where}: {column} must be a string, but is {value!r}.")
    return str(value).strip()


def several_texts(value: Any, where: str, column: str) -> tuple[str, ...]:
    """Return a list of strings: given as such, as JSON in a string, or separated by `|`.

    Raises:
        DataError: empty, doubled or no text.
    """
    if isinstance(value, str):
        listed = _json_list(value)
        value = value.split("|") if listed is None else listed
    items = [*value] if isinstance(value, (list, tuple)) else [value]
    texts = tuple(one_text({column: item}, column, where) for item in items)
    if not texts or not all(texts) or len(set(texts)) < len(texts):
        raise DataError(f"{where}: {column} must hold different texts, none empty, but holds {items!r}.")
    return texts


def _json_list(text: str) -> list[Any] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, list) else None
