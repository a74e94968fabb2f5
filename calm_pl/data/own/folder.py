"""Your own clips in folders: one sub-folder per class."""

from __future__ import annotations

from pathlib import Path

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import is_media, walk
from calm_pl.data.own.own_clips import HELDOUT, POOL, QUERY, own_listing
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.errors import DataError
from calm_pl.media import MEDIA_SUFFIXES


class Folder(Benchmark):
    """One sub-folder per class, named by it; or `train/` and `test/` of those.

    `val/` (or `validation/`, `dev/`, `heldout/`) beside them gives the held-out clips. Without `train/` and
    `test/` the clips are divided by `data.query_fraction`; see `with_split`. Classes are in the order of
    their names. Hidden files do not count; other files that are no media are named in a note.
    """

    facts = Facts(
        title="your folder",
        licence="yours",
        home="docs/benchmarks.md",
        layout="one sub-folder a class, with its clips; or train/ and test/ (also val/) of those",
    )
    own_data = True

    def read(self) -> Listing:
        """Read every media file below the classes' folders."""
        if not self.root.is_dir():
            raise DataError(
                f"data.root is {str(self.root)!r}, which is not a folder. Expected: {self.facts.layout}."
            )
        names = _folders(self.root)
        if {POOL, QUERY} <= set(names):
            parts = [name for name in names if name in (POOL, QUERY, *HELDOUT)]
            strange = sorted(set(names) - set(parts))
            if strange:
                raise DataError(
                    f"{self.root} has train/ and test/, and beside them {strange[0]}/, which is none of"
                    f" {', '.join(HELDOUT)}."
                )
        else:
            parts = [""]
        clips: list[Clip] = []
        classes: set[str] = set()
        for part in parts:
            labels = _folders(self.root / part)
            classes.update(labels)
            for label in labels:
                clips += self._clips(self.root / part / label, label, part)
        if not clips:
            raise DataError(
                f"{self.root} contains no media file ({', '.join(MEDIA_SUFFIXES)}) in a class's folder."
                f" Expected: {self.facts.layout}."
            )
        return own_listing(clips, self.settings, sorted(classes))

    def _clips(self, folder: Path, label: str, split: str) -> list[Clip]:
        """Return media files of one class, including sub-folders."""
        files = list(walk(folder))
        strange = [path for path in files if not is_media(path)]
        if strange:
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            self.notes.append(f"not media and left out: {strange[0].relative_to(self.root)}{more}")
        return [
            Clip(path.relative_to(self.root).as_posix(), path, (label,), (), split=split)
            for path in files
            if is_media(path)
        ]


def _folders(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
