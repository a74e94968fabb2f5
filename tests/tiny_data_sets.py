"""Tiny data sets in the official layouts, and a stand-in for a model's preparer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from calm_pl.data import benchmark_class
from calm_pl.data.loading.base import FewShotDataModule
from calm_pl.data.questions.clips import Clip
from calm_pl.data.settings import DataSettings

RATE = 8_000
ESC50_HEADER = "filename,fold,target,category,esc10,src_file,take"


class FakePreparer:
    """Turns sounds into one padded tensor, and keeps what it was asked."""

    sample_rate = RATE
    max_seconds = 1.0
    modalities = ("audio",)

    def __init__(self) -> None:
        self.questions: list[list[str]] = []

    def __call__(
        self,
        waveforms: Sequence[np.ndarray],
        questions: Sequence[str],
        videos: None = None,
        any_level: bool = False,
    ) -> dict[str, torch.Tensor]:
        assert len(waveforms) == len(questions) > 0
        self.questions.append(list(questions))
        sounds = [torch.from_numpy(w) for w in waveforms]
        return {
            "sounds": torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True),
            "lengths": torch.tensor([len(w) for w in waveforms]),
        }


def write_sound(path: Path, seconds: float = 0.2, level: float = 0.5) -> None:
    """A constant sound, whose level tells which clip it is; the leak guard refuses two of one level."""
    soundfile.write(path, np.full(round(RATE * seconds), level), RATE, subtype="FLOAT")


@pytest.fixture
def preparer() -> FakePreparer:
    return FakePreparer()


@pytest.fixture(name="write_sound")
def _write_sound() -> Callable[..., None]:
    return write_sound


@pytest.fixture
def make(preparer: FakePreparer) -> Callable[..., FewShotDataModule]:
    """A data module by benchmark and root, with plain settings; not yet prepared."""

    def make(benchmark: str, root: str | Path, **settings: object) -> FewShotDataModule:
        settings = {"num_workers": 0, "shots": 1, **settings}
        return FewShotDataModule(
            benchmark_class(benchmark)(DataSettings(root=str(root), **settings)), preparer
        )

    return make


@pytest.fixture
def esc50_root(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as `esc50.csv`, and a file for each plain file name unless `audio` says otherwise."""

    def build(
        rows: Sequence[str], name: str = "ESC-50", header: str = ESC50_HEADER, audio: bool = True
    ) -> Path:
        root = tmp_path / name
        (root / "meta").mkdir(parents=True)
        (root / "audio").mkdir()
        (root / "meta" / "esc50.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        for number, row in enumerate(rows if audio else ()):
            filename = row.split(",")[0]
            if filename not in ("", "..") and Path(filename).name == filename:
                write_sound(root / "audio" / filename, level=0.5 + number / 1000)
        return root

    return build


@pytest.fixture
def two_classes() -> list[str]:
    """Rows of ESC-50: dogs and roosters, one recording each in folds 1 to 3."""
    return [
        f"{fold}-{label}.wav,{fold},{target},{label},True,{fold}{target}00,A"
        for fold in (1, 2, 3)
        for target, label in enumerate(("dog", "rooster"))
    ]


@pytest.fixture
def fsdd_root(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny FSDD: digits x speakers x takes."""

    def build(
        digits: Sequence[int] = (0, 7),
        speakers: Sequence[str] = ("anna", "bert", "carl"),
        takes: Sequence[int] = range(8),
        name: str = "fsdd",
    ) -> Path:
        folder = tmp_path / name / "recordings"
        folder.mkdir(parents=True)
        for number, (digit, speaker, take) in enumerate(itertools.product(digits, speakers, takes)):
            write_sound(folder / f"{digit}_{speaker}_{take}.wav", level=0.5 + number / 1000)
        return folder.parent

    return build


@pytest.fixture
def clips(tmp_path: Path) -> Callable[..., list[Clip]]:
    """Clips of no data set, each its own recording: `n` of each label."""

    def make(labels: Sequence[str], n: int) -> list[Clip]:
        return [
            Clip(f"{label}-{i}.wav", tmp_path / f"{label}-{i}.wav", (label,), (f"recording {label}-{i}",))
            for label in labels
            for i in range(n)
        ]

    return make
