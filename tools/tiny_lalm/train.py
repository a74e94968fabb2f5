"""Make the corpus, train the three phases, save the model folder and measure it.

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
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from tiny_lalm.batches import Batcher, loader
from tiny_lalm.build import DECODER_WIDTH, TOWER_WIDTH, build_model, build_processor
from tiny_lalm.classes import ClassTable
from tiny_lalm.corpus import Corpus, Sizes, make_corpus
from tiny_lalm.evaluate import measure
from tiny_lalm.hearing import Hearing
from tiny_lalm.joint_phase import JointPhase
from tiny_lalm.language_phase import LanguagePhase, draw_text
from tiny_lalm.progress import Progress
from tiny_lalm.questions import Questioner
from tiny_lalm.tower_losses import TowerLosses
from tiny_lalm.tower_phase import TowerPhase


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tiny_lalm.train")
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished model")
    parser.add_argument("--cache", type=Path, default=Path(".cache/tiny_lalm"), help="folder for the corpus")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2, help="processes that make the corpus")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads that train")
    parser.add_argument("--tower-steps", type=int, default=1400)
    parser.add_argument("--language-steps", type=int, default=700)
    parser.add_argument("--joint-steps", type=int, default=1100)
    parser.add_argument("--speech-clips", type=int, default=96, help="words in a tower batch")
    parser.add_argument("--sound-clips", type=int, default=40, help="sounds in a tower batch")
    return parser.parse_args(arguments)


def _fit(
    module: lightning.LightningModule,
    batches: DataLoader[object],
    steps: int,
    name: str,
    state: Path,
) -> None:
    """Train one phase, or take its result from ``state`` where an earlier run left it."""
    if state.exists():
        module.load_state_dict(load_file(state))
        return
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed",
        max_steps=steps,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Progress(name, every=50)],
    )
    trainer.fit(module, batches)
    module.cpu()
    save_file({k: v.contiguous() for k, v in module.state_dict().items()}, state)


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
    numbers = [options.seed, options.tower_steps, options.language_steps, options.joint_steps]
    numbers += [options.speech_clips, options.sound_clips]

    def state(name: str) -> Path:
        return options.cache / f"{name}-{'-'.join(map(str, numbers))}.safetensors"

    make_corpus(options.cache, sizes, options.seed, options.workers)
    corpus = Corpus(options.cache, heldout=False)
    made_up = sorted({clip.phonemes for clip in corpus.clips if clip.kind == "made_up"})
    table = ClassTable(DECODER_WIDTH, made_up)
    processor = build_processor()
    questioner = Questioner(processor.tokenizer, table)
    batcher = Batcher(corpus, table, questioner)
    hearing = Hearing(build_model(processor, options.seed), table)
    tokens = [ids[0] for ids in questioner.names]
    hearing.install_classes(tokens, untrained=[tokens[i] for i in table.digits])
    losses = TowerLosses(TOWER_WIDTH, table)
    lap("corpus")

    _fit(
        TowerPhase(hearing, losses, options.tower_steps, rate=2e-3),
        loader(
            lambda rng: [
                batcher.clips(rng, True, options.speech_clips, 0),
                batcher.clips(rng, False, options.sound_clips, 0),
            ],
            options.seed + 1,
        ),
        options.tower_steps,
        "tower",
        state("tower"),
    )
    lap("tower")
    _fit(
        LanguagePhase(hearing, options.language_steps, rate=2e-3),
        loader(lambda rng: draw_text(questioner, table, rng, 128), options.seed + 2),
        options.language_steps,
        "language",
        state("language"),
    )
    lap("language")
    _fit(
        JointPhase(hearing, losses, options.joint_steps, tower_rate=5e-4, language_rate=1e-3),
        loader(
            lambda rng: [
                batcher.clips(rng, True, options.speech_clips // 2, 2),
                batcher.clips(rng, False, options.sound_clips // 2, 2),
            ],
            options.seed + 3,
        ),
        options.joint_steps,
        "joint",
        state("joint"),
    )
    lap("joint")

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
