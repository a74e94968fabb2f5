"""Text for table cells: nothing that a spreadsheet would run, and lists that can be read back. Floor 0."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guarded(cell: str) -> str:
    """Return a cell, preceded by `'` if a spreadsheet would run it as a formula; `unguarded` undoes this.

    These are texts that begin with `=`, `+`, `-`, `@`, a tab or a carriage return and are not numbers.
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _is_number(cell) else cell


def unguarded(cell: str) -> str:
    """Return the text that was passed to `guarded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def guarded_rows(rows: Iterable[Iterable[str]]) -> Iterator[list[str]]:
    """Yield rows with every cell guarded."""
    return ([guarded(cell) for cell in row] for row in rows)


def joined(labels: Sequence[str]) -> str:
    """Return labels in one cell, separated by `|`, or as a JSON list if they could not be read back."""
    if any("|" in label or label.startswith("[") for label in labels):
        return json.dumps(list(labels), ensure_ascii=False)
    return "|".join(labels)


def control_character(text: str) -> str | None:
    """Return the code point of the first character that controls a terminal or a line; None if none does."""
    found = next((char for char in text if unicodedata.category(char) in ("Cc", "Cs")), None)
    return None if found is None else f"U+{ord(found):04X}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
