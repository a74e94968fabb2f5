"""Tasks by mask, by instruction and by random masks with as many heads on, with the bundled model.

    python benchmarks/masks.py --fsdd ../shared/data/fsdd --esc10 ../shared/data/esc10 \\
        --out benchmarks/results/masks.json

Tasks: environmental sounds (ESC-10, fold 1 as test), spoken digits, speakers, and both the digit and its
speaker (FSDD, its official test split). Masks are learned as by `fit-mask`, in this process; the audio tower,
which no mask touches, runs once a clip. The first task is also learned under several λ.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime
import hashlib
import itertools
import json
import platform
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from lightning.pytorch import Trainer
from torchmetrics.text import WordErrorRate

from calm_pl import FrozenLALM
from calm_pl.functional.masks import jaccard, random_mask, trained_mask
from calm_pl.masks.module import MaskModule
from calm_pl.masks.settings import MaskRecipe, TextSettings
from calm_pl.masks.texts import TextDataModule
from calm_pl.media import load_audio
from calm_pl.metrics.jackknife import Predicted, jackknife_intervals
from calm_pl.models.answers import parse_answer
from calm_pl.models.families.table import plain_prefill
from calm_pl.models.masks import HeadMask

DIGITS = "zero one two three four five six seven eight nine".split()
SPEAKERS = "george jackson lucas nicolas theo yweweler".split()
LETTERS = "ABCDEFGHIJ"
NEW_TOKENS = 8


class Task(NamedTuple):
    """A task: what is asked, what may be answered, which clips."""

    name: str
    question: str
    answers: list[str]
    train: list[tuple[Path, str]]
    test: list[tuple[Path, str]]


def fsdd(root: Path, rng: random.Random, num_train: int, num_test: int) -> list[Task]:
    """Digits, speakers and both; index 0-4 is the official test split."""
    train, test = [], []
    for path in sorted((root / "recordings").glob("*.wav")):
        digit, speaker, index = path.stem.split("_")
        (test if int(index) < 5 else train).append((path, DIGITS[int(digit)], speaker))
    train, test = rng.sample(train, num_train), rng.sample(test, num_test)

    def task(name: str, question: str, answers: list[str], text: Any) -> Task:
        clips = [[(path, text(digit, speaker)) for path, digit, speaker in part] for part in (train, test)]
        return Task(name, question, answers, *clips)

    both = [f"{digit} {speaker}" for digit, speaker in itertools.product(DIGITS, SPEAKERS)]
    word = "Which word is spoken in the given audio?"
    return [
        task("digit", word, DIGITS, lambda digit, speaker: digit),
        task("speaker", "Who speaks in the given audio?", SPEAKERS, lambda digit, speaker: speaker),
        task(
            "digit_and_speaker",
            "Which word is spoken in the given audio, and who speaks?",
            both,
            lambda digit, speaker: f"{digit} {speaker}",
        ),
    ]


def esc10(root: Path) -> Task:
    """Environmental sounds; fold 1 is the test."""
    with (root / "meta" / "esc50.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    parts: dict[bool, list[tuple[Path, str]]] = {True: [], False: []}
    for row in rows:
        parts[row["fold"] == "1"].append((root / "audio" / row["filename"], row["category"]))
    answers = sorted({row["category"] for row in rows})
    question = "What caption does the given audio belong to?"
    return Task("sound", question, answers, parts[False], parts[True])


def recording(path: Path) -> str:
    """Return what a clip was cut from: its Freesound id in ESC-10, itself in FSDD."""
    return path.stem.split("-")[1] if "-" in path.stem else path.stem


def with_remembered_tower(lalm: FrozenLALM) -> None:
    """Run the audio tower once a clip, on its full window: its result then depends on no other clip."""
    lalm.preparer._audio_settings = None  # type: ignore[attr-defined]
    lalm.family = dataclasses.replace(lalm.family, prefill=plain_prefill)
    tower, memory = lalm.model.model.audio_tower, {}
    forward = tower.forward

    def remembered(input_features: torch.Tensor, attention_mask: torch.Tensor | None, **rest: Any) -> Any:
        keys = [hashlib.sha1(row.numpy().tobytes()).digest() for row in input_features]
        new = [n for n, key in enumerate(keys) if key not in memory]
        if new:
            with torch.inference_mode(False), torch.no_grad():
                features = input_features[new].clone()
                mask = None if attention_mask is None else attention_mask[new].clone()
                found = forward(features, attention_mask=mask, **rest).last_hidden_state
            memory.update({keys[n]: row for n, row in zip(new, found, strict=True)})
        return SimpleNamespace(last_hidden_state=torch.stack([memory[key] for key in keys]))

    tower.forward = remembered


def prepared(tasks: Sequence[Task], lalm: FrozenLALM, folder: Path) -> list[Task]:
    """The tasks on files at the model's rate, so that steps do not resample anew."""
    rate = lalm.preparer.sample_rate
    made: dict[Path, Path] = {}
    for path in {path for task in tasks for path, _ in [*task.train, *task.test]}:
        made[path] = folder / f"{path.stem}.wav"
        wave = load_audio(path, rate, lalm.preparer.max_seconds).windows[0]
        soundfile.write(made[path], wave, rate, subtype="FLOAT")
    return [
        task._replace(
            train=[(made[path], text) for path, text in task.train],
            test=[(made[path], text) for path, text in task.test],
        )
        for task in tasks
    ]


def learn(lalm: FrozenLALM, task: Task, recipe: MaskRecipe, folder: Path, seed: int) -> dict[str, Any]:
    """Train a mask; its logits, and how it went."""
    manifest = folder / f"{task.name}.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "text"])
        writer.writerows([path.name, text] for path, text in task.train)
    data = TextDataModule(TextSettings(str(manifest), num_workers=0), seed)
    data.prepare()
    data.preparer, data.num_steps = lalm.preparer, recipe.steps
    module = MaskModule(lalm, recipe, seed)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    begun = time.process_time()
    trainer.fit(module, datamodule=data)
    return {
        "logits": module.logits_LA.detach().clone(),
        "cpu_seconds": round(time.process_time() - begun, 1),
        "last_loss": round(float(trainer.callback_metrics["train/cross_entropy"]), 4),
    }


def asked(lalm: FrozenLALM, task: Task, question: str) -> list[str]:
    """What the model says of the test clips, greedily."""
    said = []
    for start in range(0, len(task.test), 16):
        part = task.test[start : start + 16]
        waves = [soundfile.read(path, dtype="float32")[0] for path, _ in part]
        said += lalm.generate(lalm.preparer(waves, [question] * len(part)), NEW_TOKENS)
    return said


def tokens_right(lalm: FrozenLALM, task: Task, question: str) -> dict[str, float]:
    """Cross-entropy a token of the right answers, and the share of clips whose likeliest answer is right."""
    log_p = tokens = 0.0
    likeliest = 0
    with torch.no_grad():
        for start in range(0, len(task.test), 16):
            part = task.test[start : start + 16]
            waves = [soundfile.read(path, dtype="float32")[0] for path, _ in part]
            inputs = lalm.preparer(waves, [question] * len(part))
            scores = lalm.answer_scores(inputs, [text for _, text in part])
            log_p, tokens = log_p + float(scores.log_p_NS.sum()), tokens + float(scores.real_NS.sum())
            if len(task.answers) <= 10:
                by_answer = lalm.option_text_scores(inputs, [task.answers] * len(part))
                best = [task.answers[place] for place in by_answer.argmax(1).tolist()]
                likeliest += sum(b == text for b, (_, text) in zip(best, part, strict=True))
    found = {"cross_entropy": round(-log_p / tokens, 4)}
    return found | ({"ranked": round(likeliest / len(task.test), 4)} if len(task.answers) <= 10 else {})


def metrics(task: Task, said: Sequence[str], by_letter: bool = False) -> dict[str, Any]:
    """What the answers are worth.

    `accuracy` takes the one answer that is named, however; `exact` the answer and nothing else; `following`
    is the share of answers that are one of the task's and nothing else. `accuracy95` is the 95 % interval of
    `accuracy` over recordings.
    """
    truth = [text for _, text in task.test]
    letters = (
        list(LETTERS[: len(task.answers)]) if by_letter else [f"\0{n}" for n in range(len(task.answers))]
    )
    named = [parse_answer(text, letters, task.answers) for text in said]
    if by_letter:  # a letter stands for its answer
        said = [
            task.answers[letters.index(text.strip())] if text.strip() in letters else text for text in said
        ]
    right = [n is not None and task.answers[n] == t for n, t in zip(named, truth, strict=True)]
    exact = [text.strip().lower() == t for text, t in zip(said, truth, strict=True)]
    following = [text.strip().lower() in task.answers for text in said]
    clusters = np.unique([recording(path) for path, _ in task.test], return_inverse=True)[1]
    one_N, right_N1 = np.zeros(len(right), np.int64), np.logical_not(right)[:, None].astype(np.int64)
    chance = jackknife_intervals(Predicted(one_N, right_N1, np.arange(len(right)), one_N, clusters), 1)
    wer = WordErrorRate()([text.lower() or "-" for text in said], truth)
    return {
        "accuracy": round(statistics.fmean(right), 4),
        "accuracy95": [round(end, 4) for end in chance["accuracy"].clips],
        "exact": round(statistics.fmean(exact), 4),
        "word_error_rate": round(float(wer), 4),
        "following": round(statistics.fmean(following), 4),
    }


def measure(lalm: FrozenLALM, task: Task, question: str, on: torch.Tensor | None) -> dict[str, Any]:
    """All metrics under a mask, or under none."""
    lalm.use_mask(None if on is None else HeadMask(on))
    said = asked(lalm, task, question)
    found = {**metrics(task, said), **tokens_right(lalm, task, question), "examples": said[:4]}
    lalm.use_mask(None)
    return found


def evaluate(lalm: FrozenLALM, task: Task, on: torch.Tensor, num_random: int) -> dict[str, Any]:
    """The mask beside instructions, no instruction, and random masks with as many heads on."""
    result: dict[str, Any] = {"mask": measure(lalm, task, "", on)}
    result["nothing"] = measure(lalm, task, "", None)
    result["instruction"] = measure(lalm, task, task.question, None)
    if len(task.answers) <= 10:
        listed = " ".join(f"{letter}. {a}" for letter, a in zip(LETTERS, task.answers, strict=False))
        said = asked(lalm, task, f"{task.question} {listed}")
        result["instruction_with_options"] = {**metrics(task, said, by_letter=True), "examples": said[:4]}
    layers, heads = on.shape
    masks = [
        random_mask(layers, heads, int(on.sum()), torch.Generator().manual_seed(n)) for n in range(num_random)
    ]
    found = [measure(lalm, task, "", one) for one in masks]
    result["random"] = {
        name: {
            "mean": round(statistics.fmean(one[name] for one in found), 4),
            "best": (min if name in ("cross_entropy", "word_error_rate") else max)(
                one[name] for one in found
            ),
            "masks": num_random,
        }
        for name in found[0]
        if name not in ("examples", "accuracy95")
    }
    return result


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Tasks by mask and by instruction.")
    parser.add_argument("--fsdd", type=Path, required=True)
    parser.add_argument("--esc10", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default="sound,digit,speaker,digit_and_speaker")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--lr", type=float, default=0.3)
    parser.add_argument("--train-clips", type=int, default=400, help="of FSDD")
    parser.add_argument("--test-clips", type=int, default=100, help="of FSDD")
    parser.add_argument("--random-masks", type=int, default=8)
    parser.add_argument(
        "--sparsities", default="0.02,0.1,0.4", help="λ beside 0, for the first task; may be empty"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    torch.set_num_threads(1)
    lalm = FrozenLALM.from_pretrained("bundled:tiny_lalm")
    with_remembered_tower(lalm)
    rng = random.Random(args.seed)
    known = [esc10(args.esc10), *fsdd(args.fsdd, rng, args.train_clips, args.test_clips)]
    wanted = args.tasks.split(",")
    tasks = [task for task in known if task.name in wanted]
    recipe = MaskRecipe(steps=args.steps, lr=args.lr, warmup=20, checkpoint_layers=False)
    record: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, CPU, 1 thread of a shared machine",
        "torch": torch.__version__,
        "model": "bundled:tiny_lalm",
        "checkpoint": lalm.checkpoint(),
        "heads": lalm.layout.num_heads,
        "recipe": dataclasses.asdict(recipe),
        "arguments": {
            name: str(value) for name, value in vars(args).items() if name not in ("fsdd", "esc10", "out")
        },
        "tasks": {},
        "sparsity": {},
    }
    masks: dict[str, torch.Tensor] = {}
    with tempfile.TemporaryDirectory() as folder:
        tasks = prepared(tasks, lalm, Path(folder))
        for number, task in enumerate(tasks):
            more = [float(text) for text in args.sparsities.split(",") if text and number == 0]
            for sparsity in [0.0, *more]:
                trained = learn(
                    lalm, task, dataclasses.replace(recipe, sparsity=sparsity), Path(folder), args.seed
                )
                on = trained_mask(trained["logits"])
                about = {
                    "heads_on": int(on.sum()),
                    "by_layer": on.sum(1).tolist(),
                    "code": HeadMask(on).code(),
                    "train_clips": len(task.train),
                    "test_clips": len(task.test),
                    "cpu_seconds": trained["cpu_seconds"],
                    "last_loss": trained["last_loss"],
                }
                if sparsity == 0:
                    masks[task.name] = on
                    record["tasks"][task.name] = about | evaluate(lalm, task, on, args.random_masks)
                    print(task.name, json.dumps(record["tasks"][task.name], indent=1), flush=True)
                if number == 0:
                    point = about | {"mask": measure(lalm, task, "", on)}
                    record["sparsity"][str(sparsity)] = point
                    print("λ", sparsity, json.dumps(point), flush=True)
                names = list(masks)
                record["jaccard"] = {
                    "tasks": names,
                    "matrix": [
                        [round(value, 4) for value in row]
                        for row in jaccard(torch.stack([masks[name] for name in names])).tolist()
                    ],
                }
                args.out.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
