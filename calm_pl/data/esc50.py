"""ESC-50: 2,000 environmental recordings, 50 classes, 5 official folds; also ESC-10 in the same layout."""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from calm_pl.data.base import FewShotDataModule
from calm_pl.data.clips import Clip, Split
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
CLIPS = 2_000
FOLDS = 5
_COLUMNS = ("filename", "fold", "target", "category", "src_file")


class FoldedClip(NamedTuple):
    """A clip and its official fold."""

    clip: Clip
    fold: int


class ESC50(FewShotDataModule):
    """ESC-50. `fold` (1 by default) is the query, the other four are the support pool.

    The group of a clip is its source recording (`src_file`).
    """

    layout = "the ESC-50 folder, with meta/esc50.csv and audio/*.wav"

    def read_split(self) -> Split:
        """Clips of the other folds and of the query fold; classes in the order of official targets."""
        fold = 1 if self.settings.fold is None else self.settings.fold
        if not 1 <= fold <= FOLDS:
            raise DataError(f"data.fold is {fold}, but ESC-50 has the folds 1 to {FOLDS}.")
        clips = read_clips(self.require("meta/esc50.csv"), self.require("audio"))
        present = {folded.clip.label for folded in clips}
        return Split(
            tuple(label for label in CLASSES if label in present),
            [folded.clip for folded in clips if folded.fold != fold],
            [folded.clip for folded in clips if folded.fold == fold],
        )

    def official_note(self, split: Split) -> str | None:
        """How much of the full ESC-50 is there."""
        found = len(split.pool) + len(split.query)
        if found == CLIPS and len(split.classes) == len(CLASSES):
            return None
        return f"{found:,} of ESC-50's {CLIPS:,} clips, {len(split.classes)} of {len(CLASSES)} classes"


def read_clips(meta: Path, audio: Path) -> list[FoldedClip]:
    """Rows of `esc50.csv`, each checked.

    Raises:
        DataError: names the line, the rule and the value.
    """
    try:
        with meta.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{meta}: lacks the columns {', '.join(missing)}.")
            clips = [_read_row(row, f"{meta}, line {reader.line_num}", audio) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{meta}: cannot be read: {error}.") from error
    twice = [name for name, count in Counter(f.clip.id for f in clips).items() if count > 1]
    if twice:
        raise DataError(f"{meta}: lists {twice[0]} more than once.")
    return clips


def _read_row(row: dict[str, str], where: str, audio: Path) -> FoldedClip:
    if any(row[column] is None for column in _COLUMNS):
        raise DataError(f"{where}: has fewer fields than the header.")
    label = row["category"]
    if label not in CLASSES:
        near = difflib.get_close_matches(label, CLASSES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise DataError(f"{where}: unknown label {label!r}{hint}")
    if row["target"] != str(CLASSES.index(label)):
        raise DataError(
            f"{where}: target of {label!r} must be {CLASSES.index(label)}, but is {row['target']!r}."
        )
    if row["fold"] not in {str(fold) for fold in range(1, FOLDS + 1)}:
        raise DataError(f"{where}: fold must be 1 to {FOLDS}, but is {row['fold']!r}.")
    name = row["filename"]
    if Path(name).name != name or name in ("", ".", ".."):
        raise DataError(f"{where}: filename must be a plain file name, but is {name!r}.")
    return FoldedClip(Clip(name, audio / name, label, row["src_file"]), int(row["fold"]))
