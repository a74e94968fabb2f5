"""AudioSet: 527 classes, several per clip; support from the balanced training set, query from `eval`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import by_stem
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.tables import Row, once, read_csv
from calm_pl.errors import DataError

# split: names that copies give the folder of its clips
FOLDERS = {
    "balanced_train": ("balanced_train", "balanced_train_segments", "bal_train"),
    "eval": ("eval", "eval_segments"),
}
_SEGMENT = ("id", "start", "end", "labels")


class AudioSet(Benchmark):
    """AudioSet. The pool is `balanced_train`, the query `eval`; a clip is asked about each of its labels.

    Classes are display names in the order of `class_labels_indices.csv`. A clip is found below
    `audio/balanced_train/` and `audio/eval/` (or `audio/` alone), named by its YouTube id alone or with its
    times: `<id>`, `Y<id>`, `<id>_<start>_<end>`, `<id>_<start>`, in seconds or milliseconds. Its group is
    the video that it was cut from.
    """

    default_question = "What audio event is present in this audio clip?"
    facts = Facts(
        title="AudioSet",
        licence="CC BY 4.0 (the labels; the clips belong to their makers)",
        home="https://research.google.com/audioset/download.html",
        layout="a folder with class_labels_indices.csv, balanced_train_segments.csv, eval_segments.csv and"
        " audio/balanced_train/, audio/eval/",
        classes=527,
        clips=42_531,
        splits={"balanced_train": 22_160, "eval": 20_371},
        about="events, several labels a clip",
        sides="balanced train → evaluation",
    )
    multi_label = True

    def read(self) -> Listing:
        """Read the segments of every split whose list exists."""
        names = read_classes(self.require("class_labels_indices.csv"))
        lists = {split: self.root / f"{split}_segments.csv" for split in FOLDERS}
        if not any(path.is_file() for path in lists.values()):
            self.require("balanced_train_segments.csv")
        clips: list[Clip] = []
        for split, path in lists.items():
            if path.is_file():
                folder = self._folder(split)
                files = by_stem(folder)
                rows = read_csv(path, header=_SEGMENT, comments=True)
                clips += [_clip(row, names, files, folder, split) for row in rows]
        classes = tuple(one.label for one in names.values())
        return Listing(classes, once(clips, self.root), pool="balanced_train", query="eval")

    def _folder(self, split: str) -> Path:
        audio = self.root / "audio"
        found = {
            name: [place / folder for place in (audio, self.root) for folder in folders]
            for name, folders in FOLDERS.items()
        }
        there = {name: [path for path in paths if path.is_dir()] for name, paths in found.items()}
        if there[split]:
            return there[split][0]
        return audio / split if any(there.values()) else audio


class ClassName(NamedTuple):
    """A class: its index, and its displayed name."""

    place: int
    label: str


def read_classes(path: Path) -> dict[str, ClassName]:
    """Read the classes by machine id, in the order of their indices.

    Raises:
        DataError: names the line, the rule and the value.
    """
    names: dict[str, ClassName] = {}
    seen: set[str] = set()
    for position, row in enumerate(read_csv(path, ("index", "mid", "display_name"))):
        if row.values["index"] != str(position):
            raise DataError(f"{row.where}: index must be {position}, but is {row.values['index']!r}.")
        mid, name = row.values["mid"], row.values["display_name"]
        if not name or name in seen or mid in names:
            raise DataError(f"{row.where}: mid and display_name must be new, but are {mid!r} and {name!r}.")
        names[mid] = ClassName(position, name)
        seen.add(name)
    return names


def possible_names(video: str, start: float, end: float) -> Iterator[str]:
    """Return names without suffix that copies give the file of a segment."""
    yield video
    times = [f"{start:g}_{end:g}", f"{start:.3f}_{end:.3f}", f"{1000 * start:.0f}_{1000 * end:.0f}"]
    times += [f"{start:g}", f"{start:.3f}", f"{1000 * start:.0f}", f"{start:06.0f}"]
    yield from (f"{video}_{time}" for time in times)
    yield f"Y{video}"
    yield from (f"Y{video}_{time}" for time in times)


def _clip(
    row: Row, names: Mapping[str, ClassName], files: Mapping[str, Path], folder: Path, split: str
) -> Clip:
    where, v = row
    if v["id"].startswith("#"):
        raise DataError(
            f"{where}: YTID is {v['id']!r}, as spreadsheets write ids that begin with - or =: one has saved"
            " this list, and those ids are lost. Take the published list."
        )
    if len(v["id"]) != 11:
        raise DataError(f"{where}: YTID must have 11 characters, but is {v['id']!r}.")
    try:
        start, end = float(v["start"]), float(v["end"])
    except ValueError:
        start, end = 0.0, -1.0
    if not 0 <= start < end < float("inf"):
        raise DataError(
            f"{where}: must start at 0 or more seconds and end later, but has {v['start']!r}, {v['end']!r}."
        )
    mids = v["labels"].split(",")
    strange = [mid for mid in mids if mid not in names]
    if strange:
        raise DataError(f"{where}: label {strange[0]!r} is not in class_labels_indices.csv.")
    name = next((name for name in possible_names(v["id"], start, end) if name in files), None)
    return Clip(
        v["id"],
        folder / f"{v['id']}.wav" if name is None else files[name],
        tuple(one.label for one in sorted({names[mid] for mid in mids})),
        (f"video {v['id']}",),
        split=split,
    )
