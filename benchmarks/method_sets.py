"""Sets of clips for the comparison of methods, and their vectors, encoded once a model and kept.

Real recordings: ESC-10 and FSDD. Made of them here: a spoof set (FSDD digits against synthesised ones, one to
nine) and a multi-label set (two ESC-10 clips of different classes mixed, one query a label).
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from calm_pl import FrozenLALM
from calm_pl.data.benchmarks.esc50 import ESC50, read_clips
from calm_pl.data.benchmarks.fsdd import CLASSES as DIGITS
from calm_pl.data.benchmarks.fsdd import FSDD
from calm_pl.data.loading.batches import ClipDataset, Collator, MediaRule
from calm_pl.data.questions.clips import Clip, Query
from calm_pl.data.questions.prompts import Questioner
from calm_pl.media import load_audio

_ESPEAK_ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-029")
_ESPEAK_VARIANTS = ("m1", "m3", "m7", "f1", "f2", "f4")
_FLITE_VOICES = ("kal16", "awb", "rms", "slt")
_RATE = 8000


class ClipSet(NamedTuple):
    """Clips with labels, and the ways they are divided.

    Attributes:
        question: asked about each clip.
        classes: labels in class order.
        clips: one entry a query; of a clip with several labels one entry each.
        present: labels that a clip has, which are no distractors in its question.
        parts: division name to one fold number a clip; 0 is never a query.
    """

    question: str
    classes: tuple[str, ...]
    clips: list[Clip]
    present: list[frozenset[str]]
    parts: dict[str, list[int]]


class Encoded(NamedTuple):
    """What a model makes of a set; one row a query.

    Attributes:
        heads_NHD: head vectors, float32.
        hidden_NE: the last layer's hidden state at the last prompt token, after the decoder's norm.
        tower_N2E: mean and standard deviation of the audio tower's states.
        label_N: true class.
        allowed_NC: classes that the answer is chosen among: all, but for sets of several labels a clip, where
            they are four options of which one is present.
        cluster_N: source recording, speaker or voice.
        parts: division name to fold numbers (N,).
        classes: labels in class order.
    """

    heads_NHD: torch.Tensor
    hidden_NE: torch.Tensor
    tower_N2E: torch.Tensor
    label_N: torch.Tensor
    allowed_NC: torch.Tensor
    cluster_N: torch.Tensor
    parts: dict[str, torch.Tensor]
    classes: tuple[str, ...]


def esc10(root: Path, cache: Path) -> ClipSet:
    """The official folds."""
    clips = read_clips(root / "esc10/meta/esc50.csv", root / "esc10/audio")
    return ClipSet(
        ESC50.default_question,
        tuple(sorted({clip.labels[0] for clip in clips})),
        clips,
        [frozenset(clip.labels) for clip in clips],
        {"esc10_folds": [int(clip.fold) for clip in clips]},
    )


def fsdd(root: Path, cache: Path) -> ClipSet:
    """The official split, and each speaker in turn unseen; the cluster is the speaker."""
    paths = sorted((root / "fsdd/recordings").glob("*.wav"))
    names = [path.stem.split("_") for path in paths]
    speakers = sorted({name[1] for name in names})
    clips = [
        Clip(path.name, path, (DIGITS[int(name[0])],), (name[1],))
        for path, name in zip(paths, names, strict=True)
    ]
    return ClipSet(
        FSDD.default_question,
        DIGITS,
        clips,
        [frozenset(clip.labels) for clip in clips],
        {
            "fsdd_official": [1 if int(name[2]) < 5 else 0 for name in names],
            "fsdd_unseen": [1 + speakers.index(name[1]) for name in names],
        },
    )


def spoof(root: Path, cache: Path) -> ClipSet:
    """240 recorded digits against 2,160 synthesised ones; speakers and voices of a query are unseen."""
    folder = cache / "spoof"
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    clips, folds = [], []
    real = [clip for clip in fsdd(root, cache).clips if int(clip.id.split("_")[2][:-4]) < 4]
    speakers = sorted({clip.groups[0] for clip in real})
    for clip in real:
        clips.append(Clip(clip.id, clip.path, ("bonafide",), clip.groups))
        folds.append(1 + speakers.index(clip.groups[0]) % 2)
    voices = [f"espeak:{a}+{v}" for a in _ESPEAK_ACCENTS for v in _ESPEAK_VARIANTS]
    voices += [f"flite:{v}" for v in _FLITE_VOICES]
    for number, voice in enumerate(tqdm(voices, desc="synthesis", file=sys.stderr)):
        for digit in DIGITS:
            for take in range(8 if voice.startswith("espeak") else 6):
                name = f"{voice.replace(':', '_')}_{digit}_{take}.wav"
                speed, pitch = rng.uniform(0.8, 1.2), rng.uniform(0.85, 1.15)
                if not (folder / name).exists():
                    _synthesise(folder / name, voice, digit, speed, pitch)
                clips.append(Clip(name, folder / name, ("spoof",), (voice,)))
                folds.append(1 + number % 2)
    return ClipSet(
        "Is this audio bonafide or spoofed?",
        ("bonafide", "spoof"),
        clips,
        [frozenset(clip.labels) for clip in clips],
        {"spoof": folds},
    )


def _synthesise(path: Path, voice: str, word: str, speed: float, pitch: float) -> None:
    """A word at 8 kHz, trimmed and with the level and the noise floor of a telephone-like recording."""
    engine, name = voice.split(":")
    if engine == "espeak":
        command = ["espeak-ng", "-v", name, "-s", str(int(150 * speed)), "-p", str(int(50 * pitch)), "-w"]
        subprocess.run([*command, str(path), word], check=True, capture_output=True)
    else:
        rate = f"duration_stretch={1 / speed:.3f}"
        command = ["flite", "-voice", name, "--setf", rate, "-t", word, "-o", str(path)]
        subprocess.run(command, check=True, capture_output=True)
    wave = load_audio(path, _RATE, 5.0).windows[0]
    loud = np.flatnonzero(np.abs(wave) > 0.02 * np.abs(wave).max())
    wave = wave[max(0, loud[0] - 200) : loud[-1] + 400]
    rng = np.random.default_rng(len(wave))
    wave = 0.4 * wave / np.abs(wave).max() + 10 ** rng.uniform(-3.5, -2.3) * rng.standard_normal(len(wave))
    soundfile.write(path, wave.astype(np.float32), _RATE)


def mixes(root: Path, cache: Path) -> ClipSet:
    """400 sums of two ESC-10 clips of one fold and different classes, two queries each."""
    folder = cache / "mixes"
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_clips(root / "esc10/meta/esc50.csv", root / "esc10/audio")
    rng = random.Random(0)
    clips, present, folds = [], [], []
    for row in tqdm(rows, desc="mixes", file=sys.stderr):
        others = [o for o in rows if o.fold == row.fold and o.labels != row.labels]
        other = rng.choice(others)
        level = 10 ** rng.uniform(-0.25, 0.25)
        path = folder / f"{row.path.stem}+{other.path.stem}.wav"
        if not path.exists():
            waves = [load_audio(clip.path, 16_000, 5.0).windows[0] for clip in (row, other)]
            length = min(map(len, waves))
            first, second = (w[:length] / (np.sqrt(np.mean(w[:length] ** 2)) + 1e-6) for w in waves)
            mix = first + level * second
            soundfile.write(path, (0.5 * mix / np.abs(mix).max()).astype(np.float32), 16_000)
        for label in (*row.labels, *other.labels):
            clips.append(Clip(f"{path.name}#{label}", path, (label,), (path.stem,)))
            present.append(frozenset({*row.labels, *other.labels}))
            folds.append(int(row.fold))
    classes = tuple(sorted({clip.labels[0] for clip in clips}))
    return ClipSet(ESC50.default_question, classes, clips, present, {"esc10_mixes": folds})


SETS: dict[str, Callable[[Path, Path], ClipSet]] = {
    "esc10": esc10,
    "fsdd": fsdd,
    "spoof": spoof,
    "mixes": mixes,
}


@torch.inference_mode()
def encode(lalm: FrozenLALM, clips: ClipSet, n_options: int, batch: int = 16) -> Encoded:
    """One pass over all queries of a set."""
    queries, allowed_NC = _questions(clips, n_options)
    preparer = lalm.preparer
    data = ClipDataset(queries, MediaRule(preparer.sample_rate, preparer.max_seconds))
    collate = Collator(queries, preparer, torch.tensor([batch]))
    outputs = []
    for start in tqdm(range(0, len(queries), batch), desc=f"{n_options} options", file=sys.stderr):
        (inputs, _), *_ = collate([data[i] for i in range(start, min(start + batch, len(queries)))]).passes
        outputs.append(lalm(inputs, tower=True))
    groups = sorted({clip.groups[0] for clip in clips.clips})
    place = {group: i for i, group in enumerate(groups)}
    return Encoded(
        *(
            torch.cat([getattr(one, part) for one in outputs]).float()
            for part in ("vectors_NHD", "hidden_NE", "tower_N2E")
        ),
        torch.tensor([clips.classes.index(clip.labels[0]) for clip in clips.clips]),
        allowed_NC,
        torch.tensor([place[clip.groups[0]] for clip in clips.clips]),
        {name: torch.tensor(folds) for name, folds in clips.parts.items()},
        clips.classes,
    )


def _questions(clips: ClipSet, n_options: int) -> tuple[list[Query], torch.Tensor]:
    """A question for each entry, and the classes that its answer is chosen among."""
    ask = Questioner(clips.classes, clips.question, n_options, seed=0)
    queries = []
    allowed_NC = torch.ones(len(clips.clips), len(clips.classes), dtype=torch.bool)
    for n, (clip, present) in enumerate(zip(clips.clips, clips.present, strict=True)):
        options = _options(clips.classes, clip, present)
        if len(present) > 1:
            allowed_NC[n] = False
            allowed_NC[n, options] = True
        shown = options[: ask.n_options]
        queries.append(Query(clip, clips.classes.index(clip.labels[0]), ask.text(shown), tuple(shown)))
    return queries, allowed_NC


def _options(classes: Sequence[str], clip: Clip, present: frozenset[str]) -> list[int]:
    """The label among up to three others that the clip does not have, in an order drawn by its id."""
    rng = random.Random(clip.id)
    others = [c for c, label in enumerate(classes) if label not in present]
    options = [classes.index(clip.labels[0]), *rng.sample(others, min(3, len(others)))]
    rng.shuffle(options)
    return options


def also_of(data: Encoded) -> torch.Tensor | None:
    """Classes that the file of each entry has beside its own, (N, C) bool; None where all have one."""
    if bool(data.allowed_NC.all()):
        return None
    has_NC = torch.nn.functional.one_hot(data.label_N, len(data.classes))
    groups = int(data.cluster_N.max()) + 1
    has_GC = torch.zeros(groups, len(data.classes), dtype=has_NC.dtype).index_add_(0, data.cluster_N, has_NC)
    return (has_GC[data.cluster_N] > 0) & (has_NC == 0)


def encoded(lalm: FrozenLALM, name: str, root: Path, cache: Path, n_options: int, batch: int = 16) -> Encoded:
    """A set's vectors from the cache, or encoded and put there; the key holds the model's identity."""
    key = f"{name}_{n_options}_{lalm.identity()['weights'][:16]}"
    path = cache / f"{key}.safetensors"
    if not path.exists():
        made = encode(lalm, SETS[name](root, cache), n_options, batch)
        tensors = {f: getattr(made, f) for f in Encoded._fields if f not in ("parts", "classes")}
        tensors |= {f"part.{part}": folds for part, folds in made.parts.items()}
        save_file(tensors, path, metadata={"classes": json.dumps(made.classes)})
    with safe_open(path, framework="pt") as file:
        tensors = {k: file.get_tensor(k) for k in list(file.keys())}
        classes = tuple(json.loads(file.metadata()["classes"]))
    parts = {k.removeprefix("part."): tensors.pop(k) for k in list(tensors) if k.startswith("part.")}
    return Encoded(**tensors, parts=parts, classes=classes)
