"""Rows of label files in all formats, each with its origin."""

from __future__ import annotations

import csv
import difflib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from calm_pl.data.questions.clips import Clip
from calm_pl.errors import DataError


class Row(NamedTuple):
    """One row.

    Attributes:
        where: file and line (or item), as errors name it.
        values: its fields by column.
    """

    where: str
    values: dict[str, Any]


def read_csv(
    path: Path,
    columns: Sequence[str] = (),
    *,
    header: Sequence[str] | None = None,
    delimiter: str = ",",
    comments: bool = False,
) -> list[Row]:
    """Read the rows of a CSV file (UTF-8 with or without a byte order mark, any line ends, quoted fields).

    Args:
        path: the file.
        columns: columns that its header must have.
        header: names of the columns, in a file without a header.
        delimiter: between fields; spaces after it do not count.
        comments: the file begins with lines after `#`.

    Raises:
        DataError: names the file, the line and the rule.
    """
    skipped = 0
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            start = file.tell()
            while comments and file.readline().startswith("#"):
                start = file.tell()
                skipped += 1
            file.seek(start)
            reader = csv.DictReader(
                file, fieldnames=header, delimiter=delimiter, skipinitialspace=True, strict=True
            )
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path}: lacks the columns {', '.join(missing)}.")
            rows = []
            for values in reader:
                where = f"{path}, line {skipped + reader.line_num}"
                if None in values or None in values.values():
                    names = reader.fieldnames or ()
                    many = "more" if None in values else "fewer"
                    raise DataError(
                        f"{where}: must have {len(names)} fields ({', '.join(names)}), but has {many};"
                        " a field that holds the delimiter needs quotes."
                    )
                rows.append(Row(where, dict(values)))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}.") from error


def read_json(path: Path) -> list[Row]:
    """Read the items of a JSON file that contains a list of objects.

    Raises:
        DataError: names the file, the item and the rule.
    """
    try:
        items = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        hint = " One object a line belongs in a .jsonl file." if "Extra data" in str(error) else ""
        raise DataError(f"{path}: is not valid JSON: {error}.{hint}") from error
    if not isinstance(items, list):
        raise DataError(f"{path}: must hold a list of objects, but holds {_kind(items)}.")
    return [_object(item, f"{path}, item {number}") for number, item in enumerate(items, 1)]


def read_jsonl(path: Path) -> list[Row]:
    """Read a file with one JSON object per line; empty lines are ignored.

    Raises:
        DataError: names the file, the line and the rule.
    """
    rows = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        where = f"{path}, line {number}"
        if line.strip():
            try:
                rows.append(_object(json.loads(line), where))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{where}: is not valid JSON: {error}.") from error
    return rows


def known_label(label: str, known: Collection[str], where: str) -> str:
    """Return the label if it is a known one.

    Raises:
        DataError: it is not; names the nearest.
    """
    if label in known:
        return label
    near = difflib.get_close_matches(label, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    raise DataError(f"{where}: unknown label {label!r}{hint}")


def plain_name(name: str, where: str) -> str:
    """Return a file's name if it is a plain name and not a path.

    Raises:
        DataError: it leads to another folder.
    """
    if Path(name).name != name or name in ("", ".", ".."):
        raise DataError(f"{where}: filename must be a plain file name, but is {name!r}.")
    return name


def once(clips: list[Clip], where: Path) -> list[Clip]:
    """Return the clips if none is listed twice.

    Raises:
        DataError: one is; names it.
    """
    twice = [name for name, count in Counter(clip.id for clip in clips).items() if count > 1]
    if twice:
        raise DataError(f"{where}: lists {twice[0]} more than once.")
    return clips


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}.") from error


def _object(item: Any, where: str) -> Row:
    if not isinstance(item, dict):
        raise DataError(f"{where}: must be an object with keys and values, but is {_kind(item)}.")
    return Row(where, item)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
