"""The definition of a benchmark: facts, a question, and how its files are read. No Lightning, no model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from calm_pl.assets import resolve
from calm_pl.data.facts import Facts
from calm_pl.data.questions.clips import Listing
from calm_pl.data.settings import DataSettings
from calm_pl.errors import DataError


class Benchmark(ABC):
    """A benchmark: subclasses define `facts`, optionally a question, and `read`.

    Args:
        settings: see `DataSettings`.

    Attributes:
        root: its folder.
        notes: what a reader of the results must know about the files, a sentence each, after `read`.
    """

    facts: ClassVar[Facts]
    default_question: ClassVar[str] = "What caption does the given audio belong to?"
    modality: str = "audio"
    """`audio`, or `video` for frames with their sound."""
    multi_label: bool = False
    """Whether a clip has several labels; it is then asked about each of them."""
    positive: ClassVar[str | None] = None
    """The class whose score an equal error rate is computed from, in two-class sets."""
    by_subset: ClassVar[str | None] = None
    """What a clip's `subset` is, such as "attack"; results are then broken down by it."""
    shared_groups: ClassVar[bool] = False
    """Whether the official division itself puts some groups on both sides. Support clips of the query's
    groups are then left out, and counted in a note."""
    own_data: ClassVar[bool] = False
    """Whether the clips are the user's own: then none of them may be missing."""

    def __init__(self, settings: DataSettings) -> None:
        self.settings = settings
        self.root = Path(resolve(settings.root))
        self.notes: list[str] = []

    @abstractmethod
    def read(self) -> Listing:
        """Read the official files below `root`: every clip that they list, whether its file is there or not.

        Raises:
            DataError: files that are not there or not as they should be.
        """

    @property
    def question(self) -> str:
        """Text before the options."""
        given = self.settings.question
        return self.default_question if given is None else given

    def first_of(self, official: str, *others: str) -> Path:
        """Return the first that there is of an official file or folder and of places where copies have it.

        Raises:
            DataError: none is there; see `require`.
        """
        found = (self.root / relative for relative in (official, *others))
        return next((path for path in found if path.exists()), None) or self.require(official)

    def require(self, relative: str) -> Path:
        """Return a file or folder that the layout needs.

        Raises:
            DataError: it is not there; says what is expected, and where it may be.
        """
        path = self.root / relative
        if path.exists():
            return path
        near = sorted(p.parents[relative.count("/")] for p in self.root.glob(f"*/{relative}"))
        hint = f" Did you mean {near[0]}?" if near else ""
        raise DataError(
            f"data.root is {str(self.root)!r}, but {relative} is not in it."
            f" Expected: {self.facts.layout}.{hint}"
        )
