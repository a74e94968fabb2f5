"""ASVspoof 2019, logical access: genuine speech against synthesized and converted speech."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import by_stem
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.data.settings import DataSettings
from calm_pl.data.tables import Row, once, read_csv
from calm_pl.errors import DataError
from calm_pl.media import SOUND_SUFFIXES

# The protocols say `spoof`, the paper's prompt `spoofed`; one name is used for both.
CLASSES = ("bonafide", "spoofed")
KEYS = {"bonafide": "bonafide", "spoof": "spoofed"}
PROTOCOLS = {"train": "train.trn", "dev": "dev.trl", "eval": "eval.trl"}
_COLUMNS = ("speaker", "utterance", "environment", "attack", "key")
_NAME = re.compile(r"LA_[TDE]_\d+")
_ATTACK = re.compile(r"A\d\d")


class ASVspoof2019LA(Benchmark):
    """ASVspoof 2019 LA. The pool is `train`, the query `eval`, held-out clips come from `dev`.

    Every countermeasure protocol that is there is read, so that `data.query_split=dev` needs no evaluation
    set. A clip's group is its speaker; results are also broken down by attack (A01 to A19).
    """

    default_question = "Is this audio bonafide or spoofed?"
    facts = Facts(
        title="ASVspoof 2019 LA",
        licence="ODC-By 1.0",
        home="https://datashare.ed.ac.uk/handle/10283/3336",
        layout="the LA folder, with ASVspoof2019_LA_cm_protocols/ and ASVspoof2019_LA_{train,dev,eval}/flac/",
        classes=2,
        clips=121_461,
        splits={"train": 25_380, "dev": 24_844, "eval": 71_237},
        about="genuine or spoofed speech",
        sides="train → eval; held out: dev",
    )
    positive = "bonafide"
    by_subset = "attack"

    def __init__(self, settings: DataSettings) -> None:
        super().__init__(settings)
        if (self.root / "LA").is_dir():
            self.root = self.root / "LA"

    def read(self) -> Listing:
        """Read the lines of the protocols."""
        folder = self.require("ASVspoof2019_LA_cm_protocols")
        clips: list[Clip] = []
        for split, name in PROTOCOLS.items():
            path = folder / f"ASVspoof2019.LA.cm.{name}.txt"
            if path.is_file():
                audio = self.root / f"ASVspoof2019_LA_{split}"
                files = by_stem(audio, SOUND_SUFFIXES)
                rows = read_csv(path, header=_COLUMNS, delimiter=" ")
                clips += [_clip(row, files, audio / "flac", split) for row in rows]
        if not clips:
            raise DataError(f"{folder}: contains no protocol named ASVspoof2019.LA.cm.*.txt with lines.")
        heldout = {"dev"} & {clip.split for clip in clips} - {self.settings.query_split}
        return Listing(
            CLASSES, once(clips, folder), pool="train", query="eval", heldout=next(iter(heldout), None)
        )


def _clip(row: Row, files: Mapping[str, Path], folder: Path, split: str) -> Clip:
    where, v = row
    if v["key"] not in KEYS:
        raise DataError(f"{where}: the last field must be bonafide or spoof, but is {v['key']!r}.")
    if _NAME.fullmatch(v["utterance"]) is None:
        raise DataError(f"{where}: utterance must look like LA_T_1000137, but is {v['utterance']!r}.")
    genuine = v["key"] == "bonafide"
    if genuine != (v["attack"] == "-") or not (genuine or _ATTACK.fullmatch(v["attack"])):
        rule = "- for bonafide" if genuine else "A01 to A19 for spoof"
        raise DataError(f"{where}: attack must be {rule}, but is {v['attack']!r}.")
    return Clip(
        v["utterance"],
        files.get(v["utterance"]) or folder / f"{v['utterance']}.flac",
        (KEYS[v["key"]],),
        (f"speaker {v['speaker']}",),
        split=split,
        subset="" if genuine else v["attack"],
    )
