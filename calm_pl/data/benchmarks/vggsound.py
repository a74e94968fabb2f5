"""VGGSound: 309 classes of ten-second clips from videos; audio only, or with frames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import by_stem
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.tables import Row, known_label, once, read_csv
from calm_pl.errors import DataError
from calm_pl.media import CONTAINER_SUFFIXES, MEDIA_SUFFIXES

SPLITS = ("train", "test")
_ID = re.compile(r"[\w-]{11}", re.ASCII)
_TIMES = re.compile(r"(?P<id>[\w-]{11})_(?P<start>\d+)(?P<end>_\d+)?", re.ASCII)
_NAME = re.compile(r"[\w-]{11}_\d{6}\.mp4", re.ASCII)  # ids may hold underscores too


class Listed(NamedTuple):
    """A row of a label file.

    Attributes:
        where: file and line.
        name: `<id>_<start>`, the start in seconds with six digits.
        label: its class.
        split: `train` or `test`.
    """

    where: str
    name: str
    label: str
    split: str


class Files(NamedTuple):
    """Where a clip is, or is expected.

    Attributes:
        sound: the file with its sound.
        frames: the file with its frames; None where they are in the same file or not needed.
    """

    sound: Path
    frames: Path | None = None


class VGGSound(Benchmark):
    """The audio of VGGSound. The pool is `train`, the query `test`.

    Labels come from `vggsound.csv` (id, start second, label, split; no header), else from `train.csv` and
    `test.csv` (`<id>_<start>.mp4`, label; no header), and are checked against `stat.csv` where it is there.
    Classes are in the order of their names, whatever files there are. A clip is `audio/<id>_<start>` of any
    sound format, else the sound of `video/<id>_<start>.mp4`; sub-folders are searched. Its group is the
    video that it was cut from.
    """

    facts = Facts(
        title="VGGSound",
        licence="CC BY 4.0 (the labels; the clips belong to their makers)",
        home="https://www.robots.ox.ac.uk/~vgg/data/vggsound/",
        layout="a folder with vggsound.csv (or train.csv and test.csv) and audio/<id>_<start>.wav or .flac,"
        " or video/<id>_<start>.mp4",
        classes=309,
        clips=199_176,
        splits={"train": 183_730, "test": 15_446},
        about="309 kinds of sound, from videos",
        sides="train → test",
    )

    def read(self) -> Listing:
        """Read the rows of the label files."""
        sounds = by_stem(self.root / "audio", MEDIA_SUFFIXES)
        folder = self.root / "videos"
        videos = by_stem(folder if folder.is_dir() else self.root / "video", CONTAINER_SUFFIXES)
        sounds, videos = _official_names(sounds), _official_names(videos)
        clips = []
        for row in read_labels(self._label_files(), self.root / "stat.csv"):
            files = self.files(row.name, sounds, videos)
            groups = (f"video {row.name[:11]}",)
            clips.append(Clip(row.name, files.sound, (row.label,), groups, row.split, video=files.frames))
        return Listing(tuple(sorted({clip.labels[0] for clip in clips})), once(clips, self.root))

    def files(self, name: str, sounds: Mapping[str, Path], videos: Mapping[str, Path]) -> Files:
        """Return the audio in `audio/`, else the video's; a missing clip is expected where the others are."""
        if name in sounds or name in videos:
            return Files(sounds.get(name) or videos[name])
        only_videos = bool(videos) and not sounds
        return Files(
            self.root / ("video" if only_videos else "audio") / f"{name}.{'mp4' if only_videos else 'wav'}"
        )

    def _label_files(self) -> list[Path]:
        if (self.root / "vggsound.csv").is_file():
            return [self.root / "vggsound.csv"]
        parts = [path for split in SPLITS if (path := self.root / f"{split}.csv").is_file()]
        return parts or [self.require("vggsound.csv")]


def _official_names(files: Mapping[str, Path]) -> dict[str, Path]:
    """Return the files by `<id>_<start>`; copies also say `<id>_<ms>_<ms>`, or leave out leading zeros."""
    named = {}
    for stem, path in files.items():
        match = _TIMES.fullmatch(stem)
        unit = 1000 if match and match["end"] else 1
        if match is None or int(match["start"]) % unit:
            named[stem] = path
        else:
            named.setdefault(f"{match['id']}_{int(match['start']) // unit:06d}", path)
    return named


def read_labels(files: list[Path], stat: Path) -> list[Listed]:
    """Read and check the rows of label files in either form.

    Raises:
        DataError: names the line, the rule and the value.
    """
    rows: list[Listed] = []
    for path in files:
        if path.stem in SPLITS:
            rows += [_of_part(row, path.stem) for row in read_csv(path, header=("name", "label"))]
        else:
            rows += [_of_whole(row) for row in read_csv(path, header=("id", "start", "label", "split"))]
    known = None
    if stat.is_file():
        known = {row.values["label"] for row in read_csv(stat, header=("label", "clips", "kind"))}
    for row in rows:
        if not row.label:
            raise DataError(f"{row.where}: label must not be empty.")
        if known is not None:
            known_label(row.label, known, row.where)
    return rows


def _of_whole(row: Row) -> Listed:
    where, v = row
    if _ID.fullmatch(v["id"]) is None:
        raise DataError(f"{where}: id must be 11 letters, digits, _ or -, but is {v['id']!r}.")
    if re.fullmatch(r"\d{1,6}", v["start"], re.ASCII) is None:
        raise DataError(f"{where}: start must be a whole number of seconds, but is {v['start']!r}.")
    if v["split"] not in SPLITS:
        raise DataError(f"{where}: split must be train or test, but is {v['split']!r}.")
    return Listed(where, f"{v['id']}_{int(v['start']):06d}", v["label"], v["split"])


def _of_part(row: Row, split: str) -> Listed:
    name = row.values["name"]
    if _NAME.fullmatch(name) is None:
        raise DataError(
            f"{row.where}: clip must be named <11-character id>_<6-digit start>.mp4, but is {name!r}."
        )
    return Listed(row.where, name.removesuffix(".mp4"), row.values["label"], split)
