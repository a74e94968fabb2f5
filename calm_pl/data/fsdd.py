"""Free Spoken Digit Dataset: 3,000 recordings of ten spoken digits by six speakers."""

from __future__ import annotations

import re

from calm_pl.data.base import FewShotDataModule
from calm_pl.data.clips import Clip, Split
from calm_pl.errors import DataError

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLIPS = 3_000
OFFICIAL_TEST = range(5)  # take numbers
_NAME = re.compile(r"(\d+)_([^_]+)_(\d+)\.wav")


class FSDD(FewShotDataModule):
    """FSDD. Without `fold` the official split: takes 0 to 4 are the query, the others the pool.

    `fold` 1 to 6 makes one speaker, in alphabetical order, the query and the others the pool. The group of a
    clip is the recording itself: in the official split all speakers are on both sides, as its authors
    intended.
    """

    default_question = "Which word is spoken in the given audio?"
    layout = "the FSDD folder, with recordings/{digit}_{speaker}_{take}.wav"

    def read_split(self) -> Split:
        """Clips of the pool and of the query."""
        rows = []
        for path in sorted(self.require("recordings").glob("*.wav")):
            match = _NAME.fullmatch(path.name)
            if match is None:
                raise DataError(f"{path}: the name must have the form digit_speaker_take.wav.")
            digit, speaker, take = int(match[1]), match[2], int(match[3])
            if digit >= len(CLASSES):
                raise DataError(f"{path}: unknown label {digit}; a digit is 0 to 9.")
            rows.append((Clip(path.name, path, CLASSES[digit], path.stem), speaker, take))
        if not rows:
            raise DataError(f"{self.root}/recordings holds no .wav file. Expected: {self.layout}.")
        fold = self.settings.fold
        if fold is None:
            is_query = [take in OFFICIAL_TEST for _, _, take in rows]
        else:
            speakers = sorted({speaker for _, speaker, _ in rows})
            if not 1 <= fold <= len(speakers):
                raise DataError(
                    f"data.fold is {fold}, but there are {len(speakers)} speakers: {', '.join(speakers)}."
                )
            is_query = [speaker == speakers[fold - 1] for _, speaker, _ in rows]
        present = {clip.label for clip, _, _ in rows}
        return Split(
            tuple(label for label in CLASSES if label in present),
            [clip for (clip, _, _), query in zip(rows, is_query, strict=True) if not query],
            [clip for (clip, _, _), query in zip(rows, is_query, strict=True) if query],
        )

    def official_note(self, split: Split) -> str | None:
        """How much of the full FSDD is there."""
        found = len(split.pool) + len(split.query)
        return None if found == CLIPS else f"{found:,} of FSDD's {CLIPS:,} clips"
