"""Make the corpus, train the decoder, save the model folder and measure it on held-out clips.

Usage, from the folder that holds this package: ``python -m plain_lalm.train --out DIR``
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import lightning
import numpy as np
import torch
from transformers import Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioEncoder

from plain_lalm.dialogues import Interviewer, further_texts
from plain_lalm.listening import Heard, at_any_level, augmented_features, listen
from plain_lalm.phase import Batch, DialoguePhase, answer_logits, draw_batch, states_of
from tiny_lalm.augment import plain
from tiny_lalm.batches import loader
from tiny_lalm.build import Shape, build_processor, random_model
from tiny_lalm.corpus import Corpus, Sizes, make_corpus
from tiny_lalm.fitting import fit
from tiny_lalm.tokenizer import build_tokenizer, vocabulary

TINY_LALM = Path(__file__).parents[2] / "calm_pl/assets/tiny_lalm"
SHAPE = Shape(decoder_width=96, decoder_inner=256)
"""The tower of `tiny_lalm` and as many heads of the same size; a narrower decoder, for a smaller file."""
SIZES = Sizes(
    sounds_per_label=80,
    espeak_per_word=6,
    flite_per_word=2,
    made_up_words=0,
    heldout_sounds_per_label=6,
)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m plain_lalm.train")
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished model")
    parser.add_argument("--cache", type=Path, default=Path(".cache/plain_lalm"), help="folder for the corpus")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=1, help="processes that make the corpus")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads that train")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--speech-clips", type=int, default=16, help="most words in a batch")
    parser.add_argument("--sound-clips", type=int, default=16, help="most sounds in a batch")
    return parser.parse_args(arguments)


def start_model(processor: Qwen2AudioProcessor, seed: int) -> Qwen2AudioForConditionalGeneration:
    """Build the model: the tower of `tiny_lalm`, and random weights in projector and decoder."""
    model = random_model(processor, seed, SHAPE)
    trained = Qwen2AudioForConditionalGeneration.from_pretrained(TINY_LALM, dtype=torch.float32)
    model.model.audio_tower.load_state_dict(trained.model.audio_tower.state_dict())
    return model


def _listen_to_training(
    tower: Qwen2AudioEncoder, corpus: Corpus, interviewer: Interviewer, seed: int
) -> list[Heard]:
    """Hear every training clip once: words, then sounds."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found = []
    for kind in ("word", "sound"):
        draw = partial(augmented_features, corpus, rng=rng, speech=kind == "word")
        found.append(listen(tower, corpus, rng.permutation(corpus.rows(kind)), draw, interviewer))
    return found


@torch.inference_mode()
def measure_answers(
    model: Qwen2AudioForConditionalGeneration, heard: Heard, interviewer: Interviewer, seed: int
) -> dict[str, dict[str, float]]:
    """Return by question: how many clips are answered rightly at once, and have the commonest answer."""
    rng = np.random.default_rng(seed)
    turns = [dict(one) for one in heard.turns]
    for clip, one in zip(heard.clips, turns, strict=True):
        one[clip.kind] = interviewer.named(clip, rng)
    found = {}
    for name in dict.fromkeys(name for one in turns for name in one):
        rows = [row for row, one in enumerate(turns) if name in one]
        answers: dict[str, int] = defaultdict(int)
        right = 0
        for first in range(0, len(rows), 48):
            some = rows[first : first + 48]
            asked = [[turns[row][name]] for row in some]
            written = interviewer.write(asked, heard.counts[some].tolist())
            logits, targets = answer_logits(model, Batch(written, states_of(heard, torch.tensor(some))))
            # Each answer is followed by the end of its turn.
            right += int((logits.argmax(1) == targets)[::2].sum())
            for ((_, answer),) in asked:
                answers[answer] += 1
        found[name] = {
            "right": round(right / len(rows), 4),
            "commonest": round(max(answers.values()) / len(rows), 4),
            "clips": len(rows),
        }
    return found


def train(options: argparse.Namespace) -> dict[str, object]:
    """Run everything and return what was measured."""
    torch.set_num_threads(options.threads)
    lightning.seed_everything(options.seed)
    seconds: dict[str, dict[str, float]] = {}
    clock = time.monotonic(), time.process_time()

    def lap(name: str) -> None:
        nonlocal clock
        now = time.monotonic(), time.process_time()
        seconds[name] = {"wall": round(now[0] - clock[0], 1), "cpu": round(now[1] - clock[1], 1)}
        clock = now

    options.out.mkdir(parents=True, exist_ok=True)
    make_corpus(options.cache, SIZES, options.seed, options.workers)
    corpus = Corpus(options.cache, heldout=False)
    processor = build_processor(build_tokenizer(vocabulary(further_texts())))
    interviewer = Interviewer(processor.tokenizer)
    model = start_model(processor, options.seed)
    tower = model.model.audio_tower
    lap("corpus")

    speech, sound = _listen_to_training(tower, corpus, interviewer, options.seed + 2)
    clips = len(corpus.clips)
    del corpus
    lap("listening")

    settings = (options.seed, options.steps, options.speech_clips, options.sound_clips)
    fit(
        DialoguePhase(model, options.steps, rate=1.5e-3),
        loader(
            lambda rng: [
                draw_batch(speech, interviewer, rng, options.speech_clips),
                draw_batch(sound, interviewer, rng, options.sound_clips),
            ],
            options.seed + 1,
        ),
        options.steps,
        "dialogues",
        options.cache / f"dialogues-{'-'.join(map(str, settings))}.safetensors",
    )
    lap("training")

    model = model.eval().half().cpu()
    model.save_pretrained(options.out)
    processor.save_pretrained(options.out)
    model = model.float()
    heldout = Corpus(options.cache, heldout=True)
    rng = np.random.default_rng(options.seed + 3)
    heard = listen(
        model.model.audio_tower,
        heldout,
        np.arange(len(heldout.clips)),
        lambda rows: at_any_level(plain(heldout, rows), rng),
        interviewer,
    )
    report = {
        "heldout": measure_answers(model, heard, interviewer, options.seed),
        "corpus": asdict(SIZES),
        "training_clips": clips,
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()},
    }
    lap("measuring")
    report["seconds"] = seconds
    (options.out / "training.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


if __name__ == "__main__":
    print(json.dumps(train(parse_arguments()), indent=1))
