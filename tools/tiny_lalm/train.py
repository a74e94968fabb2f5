"""Make the corpus, train the phases, save the model folder and measure it.

Usage, from the folder that holds this package: ``python -m tiny_lalm.train --out DIR``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import lightning
import torch

from tiny_lalm.batches import Batcher, loader
from tiny_lalm.build import DECODER_WIDTH, TOWER_WIDTH, build_model, build_processor
from tiny_lalm.classes import ClassTable
from tiny_lalm.corpus import Corpus, Sizes, make_corpus
from tiny_lalm.evaluate import measure
from tiny_lalm.fitting import fit
from tiny_lalm.hearing import Hearing
from tiny_lalm.language_phase import LanguagePhase, draw_text
from tiny_lalm.listening import draw_heard, listen
from tiny_lalm.questions import Questioner
from tiny_lalm.tower_losses import TowerLosses
from tiny_lalm.tower_phase import TowerPhase

LISTENED = 100
"""Batches of each kind of clip that the decoder learns from while the tower rests."""
SHARES = [0.65, 0.35]
"""How often the decoder is asked about words and about sounds."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tiny_lalm.train")
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished model")
    parser.add_argument("--cache", type=Path, default=Path(".cache/tiny_lalm"), help="folder for the corpus")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2, help="processes that make the corpus")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads that train")
    parser.add_argument("--tower-steps", type=int, default=2200)
    parser.add_argument("--language-steps", type=int, default=300)
    parser.add_argument("--heard-steps", type=int, default=600)
    parser.add_argument("--answer-steps", type=int, default=500)
    parser.add_argument("--speech-clips", type=int, default=96, help="words in a tower batch")
    parser.add_argument("--sound-clips", type=int, default=40, help="sounds in a tower batch")
    return parser.parse_args(arguments)


def train(options: argparse.Namespace) -> dict[str, object]:
    """Run everything and return what was measured."""
    torch.set_num_threads(options.threads)
    lightning.seed_everything(options.seed)
    sizes, seconds = Sizes(), {}
    clock = time.monotonic()

    def lap(name: str) -> None:
        nonlocal clock
        seconds[name] = round(time.monotonic() - clock, 1)
        clock = time.monotonic()

    options.out.mkdir(parents=True, exist_ok=True)
    so_far = [options.seed]

    def state(name: str, *settings: int) -> Path:
        so_far.extend(settings)
        return options.cache / f"{name}-{'-'.join(map(str, so_far))}.safetensors"

    make_corpus(options.cache, sizes, options.seed, options.workers)
    corpus = Corpus(options.cache, heldout=False)
    made_up = sorted({clip.phonemes for clip in corpus.clips if clip.kind == "made_up"})
    table = ClassTable(DECODER_WIDTH, made_up)
    processor = build_processor()
    questioner = Questioner(processor.tokenizer, table)
    batcher = Batcher(corpus, table)
    losses = TowerLosses(TOWER_WIDTH, table)
    hearing = Hearing(build_model(processor, options.seed), table)
    tokens = [ids[0] for ids in questioner.names]
    hearing.install_classes(tokens, untrained=[tokens[i] for i in table.digits])
    lap("corpus")

    fit(
        TowerPhase(hearing, losses, options.tower_steps, rate=2e-3),
        loader(
            lambda rng: [
                batcher.clips(rng, True, options.speech_clips),
                batcher.clips(rng, False, options.sound_clips),
            ],
            options.seed + 1,
        ),
        options.tower_steps,
        "tower",
        state("tower", options.tower_steps, options.speech_clips, options.sound_clips),
    )
    hearing.mark_audio()
    banks = [
        listen(hearing, batcher, True, LISTENED, options.speech_clips, options.seed + 4),
        listen(hearing, batcher, False, LISTENED, options.sound_clips, options.seed + 5),
    ]
    hearing.views.fit([(bank.means(), bank.classes) for bank in banks])
    lap("tower")
    fit(
        LanguagePhase(hearing, options.language_steps, rate=2e-3, viewing=1.0),
        loader(lambda rng: draw_text(questioner, table, rng, 128), options.seed + 2),
        options.language_steps,
        "language",
        state("language", options.language_steps),
    )
    lap("language")
    fit(
        LanguagePhase(hearing, options.heard_steps, rate=2e-3, viewing=20.0),
        loader(lambda rng: draw_heard(questioner, banks, SHARES, rng, 128), options.seed + 6),
        options.heard_steps,
        "heard",
        state("heard", options.heard_steps),
    )
    lap("heard")
    fit(
        LanguagePhase(hearing, options.answer_steps, rate=1.5e-3, viewing=4.0),
        loader(lambda rng: draw_heard(questioner, banks, SHARES, rng, 128), options.seed + 7),
        options.answer_steps,
        "answer",
        state("answer", options.answer_steps),
    )
    lap("answer")

    model = hearing.model.eval().half().cpu()
    model.save_pretrained(options.out)
    processor.save_pretrained(options.out)
    measured = measure(options.out, sizes, options.seed)
    lap("measuring")
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}
    report = {
        "heldout": measured,
        "seconds": seconds,
        "corpus": asdict(sizes),
        "training_clips": len(corpus.clips),
        "options": settings,
    }
    (options.out / "training.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


if __name__ == "__main__":
    print(json.dumps(train(parse_arguments()), indent=1))
