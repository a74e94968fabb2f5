"""The contents of a data set before any audio is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Asked(NamedTuple):
    """A question that a data set provides, instead of one made from the configuration.

    Attributes:
        label: the right answer, one of the clip's labels.
        question: the whole text, options included as the data set words them.
        options: class names in the order of the letters A, B, ...; empty without options.
    """

    label: str
    question: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clip:
    """One labelled recording.

    Attributes:
        id: unique in its data set, the same on every machine.
        path: the file with its sound.
        labels: class names; several in a multi-label set.
        groups: what must not be on both sides of a split: source recording, video, speaker.
        split: the data set's own division, such as `train`; empty where there is none.
        fold: the cross-validation fold; empty where there is none.
        subset: what results are also broken down by, such as a spoofing attack.
        video: the file with its frames, where that is another one.
        asked: questions that come with the clip.
    """

    id: str
    path: Path
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    split: str = ""
    fold: str = ""
    subset: str = ""
    video: Path | None = None
    asked: tuple[Asked, ...] = ()


class Listing(NamedTuple):
    """All clips of a data set as listed, whether or not their audio exists.

    Attributes:
        classes: labels in class order.
        clips: all of them.
        folds: names of the folds in their order; empty where there are none.
        fold: the fold that is the query unless the user names one; None evaluates by `pool` and `query`.
        pool: the `split` that support clips are drawn from.
        query: the `split` that is evaluated.
        heldout: the `split` that held-out clips are drawn from; None draws them from the pool.
    """

    classes: tuple[str, ...]
    clips: list[Clip]
    folds: tuple[str, ...] = ()
    fold: str | None = None
    pool: str = "train"
    query: str = "test"
    heldout: str | None = None


class Query(NamedTuple):
    """One question about one clip.

    Attributes:
        clip: the recording.
        label: index of the right class; -1 where nobody knows it.
        question: text shown with it, options included.
        options: class indices in the order of the letters A, B, ...; empty without options.
        turned: the same question with the options moved on by one place, two, ...; for zero-shot alone.
    """

    clip: Clip
    label: int
    question: str
    options: tuple[int, ...]
    turned: tuple[str, ...] = ()


class Round(NamedTuple):
    """One fit and its evaluation: a fold and a draw of the support.

    Attributes:
        fold: name of the query fold; empty without folds.
        draw: number of the draw, from 0.
        support: positions in the data module's `support` of the clips that are fitted.
        heldout: positions there of the clips that only judge heads.
        query: positions in its `query` of the questions that are evaluated.
    """

    fold: str
    draw: int
    support: tuple[int, ...]
    heldout: tuple[int, ...]
    query: tuple[int, ...]
