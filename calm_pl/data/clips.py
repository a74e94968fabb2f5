"""What a data set is made of before any sound is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Clip:
    """One labelled recording.

    Attributes:
        id: unique in its data set, the same on every machine.
        path: the file.
        label: class name.
        group: source recording, or whatever must not be on both sides of a split.
    """

    id: str
    path: Path
    label: str
    group: str


class Split(NamedTuple):
    """A data set divided for few-shot evaluation.

    Attributes:
        classes: labels in class order.
        pool: clips that support clips are drawn from.
        query: clips that are evaluated.
    """

    classes: tuple[str, ...]
    pool: list[Clip]
    query: list[Clip]


class Query(NamedTuple):
    """One question about one clip.

    Attributes:
        clip: the recording.
        question: text shown with it, options included.
        options: class indices in the order of the letters A, B, ...; empty without options.
    """

    clip: Clip
    question: str
    options: tuple[int, ...]
