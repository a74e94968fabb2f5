"""Text that looks the same: labels and file names compared as people read them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from calm_pl.errors import DataError

# Zero-width characters with no meaning of their own; joiners inside a word have one (Persian, emoji).
_NOWHERE = re.compile("[\u200b\u2060\ufeff]")
_ENDS = re.compile("^[\\s\u200c-\u200f]+|[\\s\u200c-\u200f]+$")


def plain(text: str) -> str:
    """Return text in NFC, without outer blanks and without zero-width characters."""
    return unicodedata.normalize("NFC", _ENDS.sub("", _NOWHERE.sub("", text)))


def refuse_twins(labels: Iterable[str]) -> None:
    """Raise where two labels differ only in case, in kinds of blanks or in invisible characters.

    Raises:
        DataError: names both, and the characters in which they differ.
    """
    seen: dict[str, str] = {}
    for label in sorted(set(labels)):
        other = seen.setdefault(_as_read(label), label)
        if other != label:
            raise DataError(
                f"The labels {other!r} and {label!r} look alike: {_difference(other, label)}. Write them the"
                " same way if they are one class; otherwise rename one of them."
            )


def _as_read(label: str) -> str:
    visible = "".join(char for char in label if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).casefold().split())


def _difference(first: str, second: str) -> str:
    """Return the first place where two texts differ, with code points."""
    place = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    at = min(len(first), len(second)) if place is None else place
    return f"{_code_point(first[at : at + 1])} against {_code_point(second[at : at + 1])}"


def _code_point(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, 'without a name')}" if char else "its end"
