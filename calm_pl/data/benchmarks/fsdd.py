"""Free Spoken Digit Dataset: 3,000 recordings of ten spoken digits by six speakers."""

from __future__ import annotations

import re

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import is_hidden
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.errors import DataError

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OFFICIAL_TEST = range(5)  # take numbers
_NAME = re.compile(r"(\d+)_([^_]+)_(\d+)\.wav")


class FSDD(Benchmark):
    """FSDD. Without `fold` the official split: takes 0 to 4 are the query, the others the pool.

    `fold` names one speaker (or 1 to 6, in alphabetical order) as the query and the others as the pool; the
    leak guard then watches speakers too. In the official split all speakers are on both sides, as its
    authors intended.
    """

    default_question = "Which word is spoken in the given audio?"
    facts = Facts(
        title="FSDD",
        licence="CC BY-SA 4.0",
        home="https://github.com/Jakobovski/free-spoken-digit-dataset",
        layout="the FSDD folder, with recordings/{digit}_{speaker}_{take}.wav",
        classes=10,
        clips=3_000,
        splits={"train": 2_700, "test": 300},
        about="spoken digits",
        sides="takes 5 and up → takes 0 to 4",
    )

    def read(self) -> Listing:
        """Read every file below `recordings/`."""
        by_speaker = self.settings.fold is not None
        clips = []
        for path in sorted(self.require("recordings").glob("*.wav")):
            if is_hidden(path.name):
                continue
            match = _NAME.fullmatch(path.name)
            if match is None:
                raise DataError(f"{path}: the name must have the form digit_speaker_take.wav.")
            digit, speaker, take = int(match[1]), match[2], int(match[3])
            if digit >= len(CLASSES):
                raise DataError(f"{path}: unknown label {digit}; a digit is 0 to 9.")
            clips.append(
                Clip(
                    path.name,
                    path,
                    (CLASSES[digit],),
                    (f"speaker {speaker}",) if by_speaker else (),
                    split="test" if take in OFFICIAL_TEST else "train",
                    fold=speaker,
                )
            )
        if not clips:
            raise DataError(f"{self.root}/recordings contains no .wav file. Expected: {self.facts.layout}.")
        return Listing(CLASSES, clips, folds=tuple(sorted({clip.fold for clip in clips})))
