"""Speech Commands, version 0.02: one-second recordings of 35 words by many speakers."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from calm_pl.data.benchmark import Benchmark
from calm_pl.data.facts import Facts
from calm_pl.data.found_files import is_hidden
from calm_pl.data.questions.clips import Clip, Listing
from calm_pl.errors import DataError

CLASSES = tuple(
    """backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine
    no off on one right seven sheila six stop three tree two up visual wow yes zero""".split()
)
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
_NAME = re.compile(r"([0-9a-f]+)_nohash_\d+\.wav")
_BUCKETS = 2**27
_VALIDATION_PERCENT = _TEST_PERCENT = 10.0


class SpeechCommands(Benchmark):
    """Speech Commands. The pool is every recording in no list, the query `testing_list.txt`.

    Held-out clips come from `validation_list.txt`. Where both lists are absent, the rule that they were made
    by takes their place (`split_of`). A clip's group is its speaker: the lists keep speakers apart.
    `_background_noise_` is no class.
    """

    default_question = "Which word is spoken in the given audio?"
    facts = Facts(
        title="Speech Commands",
        licence="CC BY 4.0",
        home="https://www.tensorflow.org/datasets/catalog/speech_commands",
        layout="the folder of version 0.02, with one sub-folder a word, validation_list.txt and"
        " testing_list.txt",
        classes=35,
        clips=105_829,
        splits={"train": 84_843, "validation": 9_981, "test": 11_005},
        about="spoken words",
        sides="unlisted → test list; held out: validation list",
    )

    def read(self) -> Listing:
        """Read every recording below the folders of the words."""
        listed = self._listed()
        words = [word for word in CLASSES if (self.root / word).is_dir()]
        if not words:
            self.require(CLASSES[0])
        clips = []
        for word in words:
            paths = [path for path in sorted((self.root / word).glob("*.wav")) if not is_hidden(path.name)]
            if not paths:
                raise DataError(
                    f"{self.root}: the folder of the word {word!r} contains no .wav file; fill it or move it"
                    f" away. Expected: {self.facts.layout}."
                )
            clips += [_clip(path, listed) for path in paths]
        clips += self._only_listed(listed or {}, {clip.id for clip in clips})
        return Listing(CLASSES, clips, heldout="validation")

    def _listed(self) -> dict[str, str] | None:
        """Return the split of each listed recording; None without lists."""
        present = [split for split, name in LISTS.items() if (self.root / name).is_file()]
        if not present:
            return None
        if len(present) < len(LISTS):
            (absent,) = [name for split, name in LISTS.items() if split not in present]
            self.require(absent)
        listed: dict[str, str] = {}
        for split, name in LISTS.items():
            try:
                lines = (self.root / name).read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{self.root / name}: cannot be read: {error}.") from error
            for number, written in enumerate(lines, 1):
                line = written.strip()
                if not line:
                    continue
                word, _, file = line.partition("/")
                where = f"{self.root / name}, line {number}"
                if word not in CLASSES or _NAME.fullmatch(file) is None:
                    raise DataError(f"{where}: must be word/speaker_nohash_number.wav, but is {line!r}.")
                if line in listed:
                    raise DataError(f"{where}: {line} is listed before, as {listed[line]}.")
                listed[line] = split
        return listed

    def _only_listed(self, listed: dict[str, str], found: set[str]) -> list[Clip]:
        """Return clips that are listed but not on disk."""
        return [_clip(self.root / name, listed) for name in listed if name not in found]


def split_of(speaker: str) -> str:
    """Return the official split of a speaker's recordings, by the hash of the speaker's id.

    SHA-1 of the id, modulo 2^27, in per cent of 2^27 - 1: below 10 validation, below 20 test, else train
    (P. Warden, arXiv 1804.03209; `which_set` in the set's README).
    """
    bucket = int(hashlib.sha1(speaker.encode()).hexdigest(), 16) % _BUCKETS
    percent = bucket * (100.0 / (_BUCKETS - 1))
    if percent < _VALIDATION_PERCENT:
        return "validation"
    return "test" if percent < _VALIDATION_PERCENT + _TEST_PERCENT else "train"


def _clip(path: Path, listed: dict[str, str] | None) -> Clip:
    name = f"{path.parent.name}/{path.name}"
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise DataError(f"{path}: the name must have the form speaker_nohash_number.wav.")
    split = split_of(match[1]) if listed is None else listed.get(name, "train")
    return Clip(name, path, (path.parent.name,), (f"speaker {match[1]}",), split=split)
