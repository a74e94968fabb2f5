"""Rows of label files in all formats, each with its origin."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
import re
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
    detect: bool = False,
    comments: bool = False,
) -> list[Row]:
    """Read the rows of a CSV file (UTF-8 with or without a byte order mark, any line ends, quoted fields).

    Args:
        path: the file.
        columns: columns that its header must have.
        header: names of the columns, in a file without a header.
        delimiter: between fields; spaces after it do not count.
        detect: take the delimiter that the header has most of (`,`, `;` or tab), or that a first line
            `sep=;` names, as spreadsheets write it.
        comments: the file begins with lines after `# `. Other lines with `#` are rows.

    Raises:
        DataError: names the file, the line and the rule.
    """
    file = io.StringIO(_text(path), newline="")
    skipped, start = 0, 0
    line = file.readline()
    while (comments and line.startswith("# ")) or (detect and _SEPARATOR.match(line)):
        if detect:
            delimiter = line[4]
        skipped, start = skipped + 1, file.tell()
        line = file.readline()
    file.seek(start)
    if detect and not skipped:
        delimiter = _delimiter(line, delimiter)
    reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
    names: list[str] | None = None if header is None else list(header)
    rows = []
    while True:
        begun = skipped + reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{path}, line {begun}: cannot be read: {error}; is a quote opened there and not closed?"
            ) from error
        if fields is None:
            break
        where = f"{path}, line {skipped + reader.line_num}"
        if names is None and not fields:
            continue
        if names is None:
            names = [name.strip() for name in fields]
            _check_header(names, columns, path)
        elif any(field.strip() for field in fields):
            rows.append(_row(where, names, fields))
    if names is None:
        _check_header([], columns, path)
    return rows


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
    if isinstance(items, dict) and isinstance(items.get("data"), list):
        items = items["data"]  # as AST, AudioLDM and others write it
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


def _check_header(names: Sequence[str], columns: Sequence[str], path: Path) -> None:
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(f"{path}: lacks the columns {', '.join(missing)}.")
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise DataError(f"{path}: has more than one column {twice[0]!r}.")


def _row(where: str, names: Sequence[str], fields: Sequence[str]) -> Row:
    """Return one row; spreadsheets put further delimiters at its end, with nothing behind them."""
    more = any(field.strip() for field in fields[len(names) :])
    if more or len(fields) < len(names):
        raise DataError(
            f"{where}: must have {len(names)} fields ({', '.join(names)}), but has"
            f" {'more' if more else 'fewer'}; a field that holds the delimiter needs quotes."
        )
    # A column without a name is pandas' index, or an empty one of a spreadsheet.
    return Row(where, {name: field for name, field in zip(names, fields, strict=False) if name})


_SEPARATOR = re.compile(r"sep=.\r?\n?$", re.IGNORECASE)


def _delimiter(header: str, usual: str) -> str:
    """Return the delimiter that a header has most of outside quotes; the usual one where several tie."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max((usual, ",", ";", "\t"), key=bare.count)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}.") from error
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: cannot be read: is not {encoding.removesuffix('-sig').upper()}"
            f" (byte 0x{content[error.start]:02x}). Save it as `CSV UTF-8`; where a spreadsheet wrote it in"
            f" the Windows code page, `iconv -f WINDOWS-1252 -t UTF-8 {path.name} > new{path.suffix}` does."
        ) from error


def _object(item: Any, where: str) -> Row:
    if not isinstance(item, dict):
        raise DataError(f"{where}: must be an object with keys and values, but is {_kind(item)}.")
    return Row(where, item)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
