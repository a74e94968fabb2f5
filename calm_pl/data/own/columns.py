"""Fields of users' rows: which column has which role, and what its values mean."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, fields
from typing import Any

from calm_pl.data.alike import plain
from calm_pl.data.own.settings import ColumnSettings
from calm_pl.data.tables import Row
from calm_pl.errors import DataError

PATH_COLUMNS = (
    *("path", "wav", "audio", "file", "filename", "video"),
    *("file_name", "fname", "filepath", "file_path", "audio_path", "audio_filepath"),
)
LABEL_COLUMNS = ("mapped_label", "correct_label", "label", "labels", "category", "class")
_USUAL = {*PATH_COLUMNS, *LABEL_COLUMNS, "split", "fold", "group", "video", "question", "options"}


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


def usual_names(rows: Sequence[Row], columns: ColumnSettings) -> list[Row]:
    """Return the rows with columns by their usual names, whatever their case: `Path`, `File Name`.

    A column that `data.columns` names, and one whose usual name is there as well, keep their own.
    """
    keep = set(astuple(columns))
    known: dict[tuple[str, ...], list[str]] = {}
    renamed = []
    for row in rows:
        given = tuple(row.values)
        if given not in known:
            usual = ["_".join(name.lower().split()) for name in given]
            known[given] = [
                name if name in keep or new not in _USUAL or usual.count(new) > 1 else new
                for name, new in zip(given, usual, strict=True)
            ]
        renamed.append(row._replace(values=dict(zip(known[given], row.values.values(), strict=True))))
    return renamed


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
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers with gaps, as pandas writes it
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise DataError(f"{where}: {column} must be a string, but is {value!r}.")
    return str(value).strip()


def whole_number(text: str) -> str:
    """Return `3` for `3.0`, as pandas writes whole numbers in a column with gaps; other texts as they are."""
    return text.removesuffix(".0") if re.fullmatch(r"\d+\.0", text, re.ASCII) else text


def label_texts(value: Any, where: str, column: str, separator: str | None) -> tuple[str, ...]:
    """Return the labels of a field; see `several_texts`.

    Args:
        value: the field.
        where: row, for errors.
        column: its column. In `labels`, commas without blanks separate labels, as FSD50K and AST write them.
        separator: `data.label_separator`.

    Raises:
        DataError: empty, doubled or no text; or commas in `labels` that may mean either.
    """
    if isinstance(value, str) and _json_list(value) is None:
        if separator is not None:
            value = value.split(separator)
        elif column == "labels" and "," in value and "|" not in value:
            if re.search(r",\s", value):
                raise DataError(
                    f"{where}: {column} is {value!r}: several labels, or one with a comma in it?"
                    " data.label_separator=, makes it several, data.label_separator=| makes it one."
                )
            value = value.split(",")
    return several_texts(value, where, column)


def several_texts(value: Any, where: str, column: str) -> tuple[str, ...]:
    """Return a list of strings: given as such, as JSON in a string, or separated by `|`.

    Raises:
        DataError: empty, doubled or no text.
    """
    if isinstance(value, str):
        listed = _json_list(value)
        value = value.split("|") if listed is None else listed
    items = [*value] if isinstance(value, (list, tuple)) else [value]
    texts = tuple(plain(one_text({column: item}, column, where)) for item in items)
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
