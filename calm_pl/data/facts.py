"""Facts about a benchmark that are known before its files are read: for `list`, errors, comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from calm_pl.data.questions.clips import Clip


@dataclass(frozen=True)
class Facts:
    """A benchmark's facts.

    Attributes:
        title: its name.
        licence: of recordings and labels.
        home: web page.
        layout: what lies below `data.root`.
        classes: classes of the full set; 0 where it depends on the user's data.
        clips: clips of the full set that this benchmark uses; 0 likewise.
        splits: clips by split, where the set has any.
        about: what is in it, in a few words.
        sides: where support clips and query clips come from by default, "train → test".
    """

    title: str
    licence: str
    home: str
    layout: str
    classes: int = 0
    clips: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)
    about: str = ""
    sides: str = ""

    def compare(self, clips: Sequence[Clip], classes: Sequence[str]) -> list[str]:
        """Compare what is on disk with the full set: return a sentence if they differ, else none."""
        if not self.clips or (len(clips) == self.clips and len(classes) == self.classes):
            return []
        counts = Counter(clip.split for clip in clips)
        parts = [
            f"{split} {counts[split]:,} of {total:,}"
            for split, total in self.splits.items()
            if counts[split] != total
        ]
        by_split = f" ({', '.join(parts)})" if parts else ""
        return [
            f"{len(clips):,} of {self.title}'s {self.clips:,} clips{by_split},"
            f" {len(classes)} of {self.classes} classes"
        ]
