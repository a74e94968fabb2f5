"""The training corpus: a plan of clips, made once into a cache of log-mel frames."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tiny_lalm.build import MEL_BINS
from tiny_lalm.mels import log_mel
from tiny_lalm.phonology import PHONEMES, parse, pronounce
from tiny_lalm.sounds import make_sound
from tiny_lalm.speech import made_up_word, say
from tiny_lalm.vocabulary import DIGITS, SOUND_LABELS, spoken_words

SHARD = 1000


@dataclass(frozen=True)
class Sizes:
    """How many clips of each kind to make."""

    sounds_per_label: int = 200
    espeak_per_word: int = 24
    flite_per_word: int = 9
    made_up_words: int = 14_000
    takes_per_made_up_word: int = 1
    heldout_sounds_per_label: int = 12
    heldout_per_word: int = 1


class Item(NamedTuple):
    """One clip to make: its kind, class name, what to speak, engine, seed and split."""

    kind: str
    label: str
    text: str
    engine: str
    seed: int
    heldout: bool


class Clip(NamedTuple):
    """One finished clip of the corpus."""

    kind: str
    label: str
    phonemes: tuple[str, ...]
    offset: int
    frames: int
    peak: int


def plan(sizes: Sizes, seed: int) -> list[Item]:
    """List every clip, in a fixed order that mixes kinds, each with a seed of its own."""
    items: list[Item] = []
    for label in SOUND_LABELS:
        items += [Item("sound", label, "", "", 0, False)] * sizes.sounds_per_label
        items += [Item("sound", label, "", "", 0, True)] * sizes.heldout_sounds_per_label
    for word in spoken_words():
        items += [Item("word", word, word, "espeak", 0, False)] * sizes.espeak_per_word
        items += [Item("word", word, word, "flite", 0, False)] * sizes.flite_per_word
        for engine in ("espeak", "flite"):
            items += [Item("word", word, word, engine, 0, True)] * sizes.heldout_per_word
    rng = np.random.default_rng(seed)
    barred = set(pronounce(DIGITS).values())
    for _ in range(sizes.made_up_words):
        mnemonics = "".join(made_up_word(rng))
        if parse(mnemonics) not in barred:
            made_up = Item("made_up", mnemonics, f"[[{mnemonics}]]", "espeak", 0, False)
            items += [made_up] * sizes.takes_per_made_up_word
    order = rng.permutation(len(items))
    base = (seed + 1) * 10_000_000
    return [items[j]._replace(seed=base + i) for i, j in enumerate(order)]


def _make(item: Item) -> torch.Tensor:
    if item.kind == "sound":
        return log_mel(make_sound(item.label, item.seed))
    return log_mel(say(item.text, item.seed, item.engine, item.heldout))


def _make_shard(job: tuple[Path, list[Item]]) -> None:
    path, items = job
    torch.set_num_threads(1)
    mels = [_make(item).half().numpy() for item in items]
    partial = path.with_suffix(".part.npz")
    np.savez(partial, frames=np.concatenate(mels), lengths=np.array([len(mel) for mel in mels]))
    partial.rename(path)


def make_corpus(folder: Path, sizes: Sizes, seed: int, workers: int) -> None:
    """Make the shards that are still missing; a cache of other sizes or seed is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / "corpus.json"
    wanted = {"seed": seed, **asdict(sizes)}
    if stamp.exists() and json.loads(stamp.read_text()) != wanted:
        raise ValueError(f"{folder} holds a corpus of other settings; choose another folder")
    stamp.write_text(json.dumps(wanted, indent=1))
    items = plan(sizes, seed)
    jobs = []
    for first in range(0, len(items), SHARD):
        path = folder / f"shard{first // SHARD:03d}.npz"
        if not path.exists():
            jobs.append((path, items[first : first + SHARD]))
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for done, _ in enumerate(pool.imap_unordered(_make_shard, jobs), start=1):
            print(f"made {done}/{len(jobs)} shards", flush=True)


def _of_split(items: list[Item], lengths: np.ndarray, heldout: bool) -> list[tuple[Item, int, int]]:
    """Return the clips of one split in a shard, with their first frame and their number of frames."""
    starts = np.cumsum(lengths) - lengths
    found = zip(items, starts.tolist(), lengths.tolist(), strict=True)
    return [one for one in found if one[0].heldout == heldout]


class Corpus:
    """The clips of one split, in memory: frames `(total, bins)` in 16 bit and a list of clips."""

    def __init__(self, folder: Path, heldout: bool) -> None:
        stamp = json.loads((folder / "corpus.json").read_text())
        seed = stamp.pop("seed")
        items = plan(Sizes(**stamp), seed)
        spoken = pronounce(spoken_words())
        self.clips: list[Clip] = []
        total = 0
        firsts = range(0, len(items), SHARD)
        for first in firsts:
            with np.load(folder / f"shard{first // SHARD:03d}.npz", allow_pickle=False) as shard:
                chosen = _of_split(items[first : first + SHARD], shard["lengths"], heldout)
            total += sum(length for _, _, length in chosen)
        self.frames = torch.empty(total, MEL_BINS, dtype=torch.float16)
        total = 0
        for first in firsts:
            with np.load(folder / f"shard{first // SHARD:03d}.npz", allow_pickle=False) as shard:
                frames, lengths = shard["frames"], shard["lengths"]
            for item, start, length in _of_split(items[first : first + SHARD], lengths, heldout):
                part = frames[start : start + length]
                phonemes = spoken[item.label] if item.kind == "word" else ()
                if item.kind == "made_up":
                    phonemes = parse(item.label)
                peak = int(part.astype(np.float32).max(axis=1).argmax())
                self.clips.append(Clip(item.kind, item.label, phonemes, total, length, peak))
                self.frames[total : total + length] = torch.from_numpy(part)
                total += length

    def rows(self, *kinds: str) -> np.ndarray:
        """Return the indices of the clips of these kinds."""
        return np.array([i for i, clip in enumerate(self.clips) if clip.kind in kinds])

    def phoneme_ids(self, index: int) -> list[int]:
        """Return a clip's phonemes as ids from 1; 0 is CTC's blank."""
        return [PHONEMES.index(phoneme) + 1 for phoneme in self.clips[index].phonemes]
