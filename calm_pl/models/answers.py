"""Find the option that a generated answer names."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LEAD_IN = r"(?:(?:the|my)\s+)?(?:(?:correct|best|right|final)\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*"
_NEGATION = re.compile(r"\b(?:not|never|neither|nor|except|cannot|\w+n't)\b")


def parse_answer(text: str, letters: Sequence[str], labels: Sequence[str]) -> int | None:
    """Return the index of the option that an answer names; None if it names none, or more than one.

    In this order: a letter that opens the answer (`B`, `(B)`, `B. rain`, `The answer is B`), unless another
    letter or only another's label follows; the one label that is named, alone or within a sentence; the one
    letter that is marked as one (`option B`, `(B)`). A label within a longer one that is also named does not
    count (`car` in `car horn`). A negated answer without an opening letter names nothing.

    Args:
        text: what the model said.
        letters: the options' letters, capitals.
        labels: the options' labels, in the same order; underscores are spaces, case does not matter.
    """
    said = re.sub(r"\s+", " ", re.sub(r"[*`\"“”]", "", text).replace("_", " ").replace("’", "'")).strip()
    named = _named_labels(said.casefold(), labels)
    marked = _marked_letters(said, letters)
    opening = _opening_letter(said, letters)
    if opening is not None:
        agree = opening in named or not named
        return opening if agree and marked <= {opening} else None
    if _NEGATION.search(said.casefold()):
        return None
    candidates = named or marked
    return candidates.pop() if len(candidates) == 1 else None


def _opening_letter(said: str, letters: Sequence[str]) -> int | None:
    choice = "|".join(map(re.escape, letters))
    patterns = (
        rf"\(?({choice})\)?[.:]?$",  # nothing but the letter, in either case
        rf"\(({choice})\)",
        rf"(?-i:({choice}))(?:[.):,\]]| ?[-–—] )",  # capitals: `A. dog`, but not `a dog`
        rf"{_LEAD_IN}\(?(?-i:({choice}))(?![\w'])",
    )
    for pattern in patterns:
        match = re.match(pattern, said, re.IGNORECASE)
        if match:
            return [letter.upper() for letter in letters].index(match[1].upper())
    return None


def _named_labels(said: str, labels: Sequence[str]) -> set[int]:
    """Return the labels that occur as whole words, longer ones first, each position read once."""
    named = set()
    for index, label in sorted(enumerate(labels), key=lambda item: -len(item[1])):
        words = re.escape(label.replace("_", " ").strip().casefold())
        said, found = re.subn(rf"(?<!\w){words}(?!\w)", "|", said)
        if found:
            named.add(index)
    return named


def _marked_letters(said: str, letters: Sequence[str]) -> set[int]:
    """Return letters in brackets, or after words such as `option`."""
    return {
        index
        for index, letter in enumerate(letters)
        if re.search(rf"\({letter}\)|(?i:{_LEAD_IN})\(?{letter}(?![\w'])", said)
    }
