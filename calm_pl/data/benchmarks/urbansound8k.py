"""UrbanSound8K: 8,732 excerpts of urban recordings, 10 classes, 10 official folds."""

from __future__ import annotations

from pathlib import Path

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.tables import Row, known_label, once, plain_name, read_csv
from calm_pl.errors import DataError

# In the order of the official class numbers.
CLASSES = tuple(
    """air_conditioner car_horn children_playing dog_bark drilling engine_idling gun_shot jackhammer siren
    street_music""".split()
)
FOLDS = tuple(str(fold) for fold in range(1, 11))
_COLUMNS = ("slice_file_name", "fsID", "fold", "classID", "class")


class UrbanSound8K(Benchmark):
    """UrbanSound8K. `fold` (1 by default) is the query, the other nine are the support pool.

    The group of a clip is the recording that it was cut from (`fsID`).
    """

    facts = Facts(
        title="UrbanSound8K",
        licence="CC BY-NC 3.0",
        home="https://urbansounddataset.weebly.com/urbansound8k.html",
        layout="the UrbanSound8K folder, with metadata/UrbanSound8K.csv and audio/fold1/ to audio/fold10/",
        classes=10,
        clips=8_732,
        about="urban sounds",
        sides="other folds → fold 1",
    )

    shared_groups = True  # a few recordings have excerpts in two folds

    def read(self) -> Listing:
        """Read the rows of `metadata/UrbanSound8K.csv`; classes in the order of the official numbers."""
        meta = self.first_of("metadata/UrbanSound8K.csv", "UrbanSound8K.csv")
        audio = self.root if (self.root / "fold1").is_dir() else self.require("audio")
        clips = [_clip(row, audio) for row in read_csv(meta, _COLUMNS, detect=True)]
        return Listing(CLASSES, once(clips, meta), folds=FOLDS, fold="1")


def _clip(row: Row, audio: Path) -> Clip:
    where, v = row
    label = known_label(v["class"], CLASSES, where)
    if v["classID"] != str(CLASSES.index(label)):
        raise DataError(
            f"{where}: classID of {label!r} must be {CLASSES.index(label)}, not {v['classID']!r}."
        )
    if v["fold"] not in FOLDS:
        raise DataError(f"{where}: fold must be 1 to {len(FOLDS)}, but is {v['fold']!r}.")
    name = plain_name(v["slice_file_name"], where)
    path = audio / f"fold{v['fold']}" / name
    return Clip(name, path, (label,), (f"recording {v['fsID']}",), fold=v["fold"])
