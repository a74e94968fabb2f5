"""Your own clips in folders: one sub-folder per class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from calm_pl.data.alike import plain
from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import is_hidden, is_media, walk
from calm_pl.data.own.own_clips import own_listing
from calm_pl.data.own.splits import POOL_NAMES, SPLIT_NAMES, is_split, split_name
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
        about="your clips, in folders",
        sides="`train/` → `test/`, or divided",
    )
    own_data = True

    def read(self) -> Listing:
        """Read every media file below the classes' folders."""
        if not self.root.is_dir():
            raise DataError(
                f"data.root is {str(self.root)!r}, which is not a folder. Expected: {self.facts.layout}."
            )
        clips: list[Clip] = []
        classes: set[str] = set()
        empty: list[str] = []
        for part, split in self._parts().items():
            loose = [path for path in sorted((self.root / part).iterdir()) if _is_sound(path)]
            self._note_left_out("beside the classes' folders", loose)
            for folder in _folders(self.root / part):
                label = plain(folder)
                own = self._clips(self.root / part / folder, label, split)
                classes.add(label)
                empty += [] if own else [f"{part}/{folder}" if part else folder]
                clips += own
        if not clips:
            raise DataError(
                f"{self.root} contains no media file ({', '.join(MEDIA_SUFFIXES)}) in a class's folder."
                f" Expected: {self.facts.layout}."
            )
        if empty:
            raise DataError(
                f"{self.root}: the class's folder {empty[0]!r} contains no media file; fill it or move it"
                " away."
            )
        return own_listing(clips, self.settings, self.notes, sorted(classes))

    def _parts(self) -> dict[str, str]:
        """Return the split of each folder that holds classes; the root alone, without a split, where it does.

        Raises:
            DataError: folders named as splits are, that cannot all be splits.
        """
        names = _folders(self.root)
        nested = {name for name in names if _holds_folders_alone(self.root / name)}
        parts = {name: split_name(name) for name in names if is_split(name) and _folders(self.root / name)}
        others = [name for name in names if name not in parts]
        if others and len(others) == len(names) and all(is_split(name) for name in names):
            raise DataError(
                f"{self.root} has {_slashed(names)}, named as splits are, but with no class's folder in them."
                f" Expected: {self.facts.layout}."
            )
        # One such name among classes may be a class, as `train` is one of ESC-50.
        if not parts or (others and len(parts) == 1 and not any(n in nested or is_split(n) for n in others)):
            return {"": ""}
        if others:
            raise DataError(
                f"{self.root} has {_slashed(parts)}, and beside them {others[0]}/, which is none of"
                f" {', '.join(SPLIT_NAMES)} with classes' folders in it."
            )
        roles = set(parts.values())
        if self.settings.pool_split and self.settings.query_split:
            return parts
        if not roles & set(POOL_NAMES) or roles <= set(POOL_NAMES):
            absent = "test/ or val/" if roles & set(POOL_NAMES) else "train/"
            raise DataError(
                f"{self.root} has {_slashed(parts)}, but no {absent}: add it, or have one folder divided with"
                f" data.root={self.root / next(iter(parts))}."
            )
        return parts

    def _clips(self, folder: Path, label: str, split: str) -> list[Clip]:
        """Return media files of one class, including sub-folders."""
        files = list(walk(folder))
        self._note_left_out("not media", [path for path in files if not is_media(path)])
        return [
            Clip(path.relative_to(self.root).as_posix(), path, (label,), (), split=split)
            for path in files
            if is_media(path)
        ]

    def _note_left_out(self, why: str, files: Sequence[Path]) -> None:
        if files:
            more = f" and {len(files) - 1} more" if len(files) > 1 else ""
            self.notes.append(f"{why} and left out: {files[0].relative_to(self.root)}{more}")


def _folders(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir() if p.is_dir() and not is_hidden(p.name))


def _is_sound(path: Path) -> bool:
    return is_media(path) and path.is_file() and not is_hidden(path.name)


def _holds_folders_alone(path: Path) -> bool:
    return bool(_folders(path)) and not any(_is_sound(file) for file in path.iterdir())


def _slashed(names: Iterable[str]) -> str:
    return " and ".join(f"{name}/" for name in names)
