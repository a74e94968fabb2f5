"""Measure a saved model on held-out synthetic clips, the way any user would load and ask it.

Usage: ``python -m tiny_lalm.evaluate DIR``
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

from tiny_lalm.build import SAMPLE_RATE
from tiny_lalm.corpus import Item, Sizes, plan
from tiny_lalm.sounds import make_sound
from tiny_lalm.speech import say
from tiny_lalm.vocabulary import (
    LETTERS,
    SOUND_LABELS,
    SOUND_QUESTION,
    WORD_QUESTION,
    spoken_words,
)


class Listener:
    """A saved model with its processor; answers multiple-choice questions."""

    def __init__(self, folder: Path) -> None:
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = Qwen2AudioForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self.model.eval()
        tokenizer = self.processor.tokenizer
        self.letters = [tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS]

    @torch.inference_mode()
    def ask(self, waves: list[np.ndarray], questions: list[str]) -> torch.Tensor:
        """Return next-token logits `(clips, vocabulary)` after each question."""
        texts = []
        for question in questions:
            content = [
                {"type": "audio", "audio_url": "clip"},
                {"type": "text", "text": question},
            ]
            texts.append(
                self.processor.apply_chat_template(
                    [{"role": "user", "content": content}],
                    add_generation_prompt=True,
                    tokenize=False,
                )
            )
        inputs = self.processor(
            text=texts,
            audio=waves,
            sampling_rate=SAMPLE_RATE,
            return_tensors="pt",
            padding=True,
        )
        positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        return self.model(**inputs, position_ids=positions).logits[:, -1]

    def choose(self, waves: list[np.ndarray], questions: list[str], options: list[list[str]]) -> list[str]:
        """Return the option whose letter is likeliest, for each clip."""
        texts = []
        for question, names in zip(questions, options, strict=True):
            listed = " ".join(f"{letter}. {name}" for letter, name in zip(LETTERS, names, strict=False))
            texts.append(f"{question} {listed}")
        logits = self.ask(waves, texts)
        picks = [
            int(row[self.letters[: len(names)]].argmax()) for row, names in zip(logits, options, strict=True)
        ]
        return [names[pick] for names, pick in zip(options, picks, strict=True)]


def make_wave(item: Item) -> np.ndarray:
    """Make the clip of a plan's item."""
    if item.kind == "sound":
        return make_sound(item.label, item.seed)
    return say(item.text, item.seed, item.engine, item.heldout)


def measure(folder: Path, sizes: Sizes, seed: int, batch: int = 20) -> dict[str, float]:
    """Return multiple-choice accuracy on clips and voices that training never used."""
    listener = Listener(folder)
    rng = np.random.default_rng(seed)
    heldout = [item for item in plan(sizes, seed) if item.heldout]
    results: dict[str, float] = {}
    for kind, question, pool in (
        ("sound", SOUND_QUESTION, SOUND_LABELS),
        ("word", WORD_QUESTION, spoken_words()),
    ):
        items = [item for item in heldout if item.kind == kind]
        waves = [make_wave(item) for item in items]
        for count in (4, 10):
            options = []
            for item in items:
                others = [name for name in pool if name != item.label]
                names = [str(name) for name in rng.choice(others, count - 1, replace=False)]
                names.insert(int(rng.integers(count)), item.label)
                options.append(names)
            hits = 0
            for first in range(0, len(items), batch):
                part = slice(first, first + batch)
                asked = [question] * len(waves[part])
                answers = listener.choose(waves[part], asked, options[part])
                hits += sum(a == i.label for a, i in zip(answers, items[part], strict=True))
            results[f"{kind}_{count}_options"] = round(hits / len(items), 4)
        results[f"{kind}_clips"] = len(items)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tiny_lalm.evaluate")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7, help="the seed that training had")
    given = parser.parse_args()
    print(json.dumps(measure(given.folder, Sizes(), given.seed), indent=1))
