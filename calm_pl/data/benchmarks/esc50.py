"""ESC-50: 2,000 environmental recordings, 50 classes, 5 official folds; also ESC-10 in the same layout."""

from __future__ import annotations

from pathlib import Path

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.tables import Row, known_label, once, plain_name, read_csv
from calm_pl.errors import DataError

# In the order of the official target numbers.
CLASSES = tuple(
    """dog rooster pig cow frog cat hen insects sheep crow rain sea_waves crackling_fire crickets
    chirping_birds water_drops wind pouring_water toilet_flush thunderstorm crying_baby sneezing clapping
    breathing coughing footsteps laughing brushing_teeth snoring drinking_sipping door_wood_knock
    mouse_click keyboard_typing door_wood_creaks can_opening washing_machine vacuum_cleaner clock_alarm
    clock_tick glass_breaking helicopter chainsaw siren car_horn engine train church_bells airplane
    fireworks hand_saw""".split()
)
FOLDS = ("1", "2", "3", "4", "5")
_COLUMNS = ("filename", "fold", "target", "category", "src_file")


class ESC50(Benchmark):
    """ESC-50. `fold` (1 by default) is the query, the other four are the support pool.

    The group of a clip is its source recording (`src_file`).
    """

    facts = Facts(
        title="ESC-50",
        licence="CC BY-NC 3.0 (ESC-10: CC BY 3.0)",
        home="https://github.com/karolpiczak/ESC-50",
        layout="the ESC-50 folder, with meta/esc50.csv and audio/*.wav",
        classes=50,
        clips=2_000,
        about="environmental sounds",
        sides="other folds → fold 1",
    )

    def read(self) -> Listing:
        """Read the rows of `meta/esc50.csv`; classes in the order of the official targets."""
        meta = self.first_of("meta/esc50.csv", "esc50.csv")
        doubled = self.root / "audio" / "audio"  # as on Kaggle
        audio = doubled if doubled.is_dir() else self.require("audio")
        clips = read_clips(meta, audio)
        return Listing(CLASSES, clips, folds=FOLDS, fold="1")


def read_clips(meta: Path, audio: Path) -> list[Clip]:
    """Read and check the rows of `esc50.csv`.

    Raises:
        DataError: names the line, the rule and the value.
    """
    return once([_read_row(row, audio) for row in read_csv(meta, _COLUMNS, detect=True)], meta)


def _read_row(row: Row, audio: Path) -> Clip:
    where, values = row
    label = known_label(values["category"], CLASSES, where)
    if values["target"] != str(CLASSES.index(label)):
        raise DataError(
            f"{where}: target of {label!r} must be {CLASSES.index(label)}, but is {values['target']!r}."
        )
    if values["fold"] not in FOLDS:
        raise DataError(f"{where}: fold must be 1 to {len(FOLDS)}, but is {values['fold']!r}.")
    name = plain_name(values["filename"], where)
    return Clip(name, audio / name, (label,), (f"recording {values['src_file']}",), fold=values["fold"])
