"""Whole jobs of the bundled model, on the device and on the CPU; votes at 309 classes; ranks."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from items import Bench, Item

from calm_pl import Calm, CalmGlobal, Gda, Sav
from calm_pl.commands.main import main
from calm_pl.evaluation import support_store
from calm_pl.methods import METHODS
from calm_pl.voters import gather_support

_MOST_CHANGED = 0.02
_QUIET = ("wandb.mode=disabled", "callbacks=[run_record,predictions,pseudo_labels]", "data.num_workers=0")
_PSEUDO = ("data.support_labels=pseudo", "pseudo.rollouts=6", "pseudo.min_agreement=0.34")


def run(folder: Path, *args: str) -> str:
    """Run a command line in this process and a folder; returns what it printed.

    Raises:
        RuntimeError: it failed.
    """
    printed, wrong, before = io.StringIO(), io.StringIO(), Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(wrong):
            status = main(list(args))
    finally:
        os.chdir(before)
    if status:
        raise RuntimeError(wrong.getvalue().strip()[-500:])
    return printed.getvalue()


def every_method(bench: Bench) -> Iterator[Item]:
    """Predictions of every method: device and CPU, a support in memory and on disk."""
    methods = [row.key for row in METHODS if "Comparison" not in (row.voter or "") and not row.needs_texts]
    methods = methods if bench.full else ["zero_shot", "sav", "calm"]
    job = ("fit-free", "--config", "demo.yaml", "model.dtype=float32", f"methods=[{','.join(methods)}]")
    few = ("--limit", "10", "data.n_options=5", "pseudo.rollouts=3", "pseudo.min_agreement=0.3")
    size = ("data.n_options=10",) if bench.full else few
    both = (*job, *_QUIET, *_PSEUDO, *size, "voter.select=oracle", "trainer.devices=1")
    run(bench.folder, *both, "trainer.accelerator=cpu", "bank.dir=bank_cpu", "run.dir=cpu")
    there = "gpu" if bench.on_gpu else "cpu"
    usual = support_store.most_held
    for name, held in (("memory", usual), ("disk", lambda device: 1)):
        support_store.most_held = held
        try:
            run(bench.folder, *both, f"trainer.accelerator={there}", "bank.dir=bank", f"run.dir={name}")
        finally:
            support_store.most_held = usual
    for name, other in (("memory", "cpu"), ("disk", "memory")):
        changed = _changed(bench.folder / name / "predictions.csv", bench.folder / other / "predictions.csv")
        yield Item(
            f"every method, support in {name}, against {other}",
            max(changed.values()) <= _MOST_CHANGED,
            {"largest_share_changed": max(changed.values()), "methods": len(changed)},
        )


def _changed(ours: Path, theirs: Path) -> dict[str, float]:
    """Return the share of predictions that differ, by method."""
    rows, others = ([*csv.DictReader(io.StringIO(path.read_text()))] for path in (ours, theirs))
    names = [name.removesuffix("_confidence") for name in rows[0] if name.endswith("_confidence")]
    pairs = list(zip(rows, others, strict=True))
    return {name: sum(a[name] != b[name] for a, b in pairs) / len(pairs) for name in names}


def predict(bench: Bench) -> Iterator[Item]:
    """`predict` with a classifier that was fitted without options gives the labels of its run."""
    from calm_pl.assets import resolve

    job = ("fit-free", "--config", "demo.yaml", "model.dtype=float32", "methods=[calm]", "data.n_options=0")
    size = () if bench.full else ("--limit", "10")
    there = f"trainer.accelerator={'gpu' if bench.on_gpu else 'cpu'}"
    run(bench.folder, *job, *_QUIET, *size, there, "bank.dir=null", "run.dir=fitted")
    table = io.StringIO((bench.folder / "fitted" / "predictions.csv").read_text())
    labels = {row["clip"]: row["calm"] for row in csv.DictReader(table)}
    clips = Path(resolve("bundled:esc10")) / "audio"
    files = [str(clips / clip) for clip in labels][:64]
    args = ("predict", "--classifier", "fitted/classifier.safetensors", "--csv")
    found = list(csv.DictReader(io.StringIO(run(bench.folder, *args, *files))))
    wrong = sum(row["label"] != labels[Path(row["file"]).name] for row in found)
    yield Item("predict", wrong <= _MOST_CHANGED * len(found), {"files": len(found), "changed": wrong})


def fit_mask(bench: Bench) -> Iterator[Item]:
    """Three steps of a mask's training, on the device and on the CPU."""
    from calm_pl.assets import resolve
    from calm_pl.models.masks import load_mask

    root = Path(resolve("bundled:esc10"))
    lines = ["file,answer,split"]
    for place, path in enumerate(sorted((root / "audio").glob("*.ogg"))[:24]):
        lines.append(
            f"audio/{path.name},{'yes' if place % 2 else 'no'},{'train' if place < 16 else 'validation'}"
        )
    (bench.folder / "mask.csv").write_text("\n".join(lines) + "\n")
    task = ("task.manifest=mask.csv", f"task.root={root}", "task.name=halves", "task.num_workers=0")
    steps = ("mask.steps=3", "mask.warmup=1", "mask.lr=0.5", "mask.validate_every=3", "wandb.mode=disabled")
    job = ("fit-mask", "model.path=bundled:tiny_lalm", "model.dtype=float32", "trainer.devices=1")
    logits = []
    for name in ("cpu", "gpu" if bench.on_gpu else "cpu"):
        where = (f"trainer.accelerator={name}", f"run.dir=mask{len(logits)}")
        run(bench.folder, *job, *task, "task.batch_size=4", *steps, *where)
        logits.append(load_mask(bench.folder / f"mask{len(logits)}" / "mask.safetensors").logits_LA)
    change = float((logits[0] - logits[1]).abs().max())
    yield Item("fit-mask, three steps", change < 1e-2, {"largest_difference": change})


def votes(bench: Bench) -> Iterator[Item]:
    """Fits and votes at AudioSet's and VGGSound's size on random vectors, on the device and off it."""
    heads, dim, classes, shots = (1_024, 128, 309, 5) if bench.full else (4, 16, 4, 4)
    generator = torch.Generator(bench.device).manual_seed(0)
    labels = [c for c in range(classes) for _ in range(shots)]
    centres = torch.randn(classes, heads, dim, generator=generator, device=bench.device)
    noise = torch.randn(len(labels), heads, dim, generator=generator, device=bench.device)
    x_NHD = (centres[torch.tensor(labels, device=bench.device)] + noise).to(torch.bfloat16)
    # CALM-Auto's fit takes minutes at this size; `every_method` has it.
    for voter in (Sav(), CalmGlobal(), Calm(), Gda()):
        name = type(voter).__name__
        start = time.perf_counter()
        voter.fit(x_NHD, labels)
        bench.synchronize()
        fitted = time.perf_counter() - start
        voter.to(torch.device(bench.device))
        start = time.perf_counter()
        right = (voter.vote(x_NHD[:64]).winner_N.cpu() == torch.tensor(labels[:64])).double().mean()
        bench.synchronize()
        measured = {"fit_seconds": fitted, "vote_64_seconds": time.perf_counter() - start}
        yield Item(f"{name} at {classes} classes", bool(right > 0.9), measured | {"right": float(right)})
        apart = gather_support(x_NHD.cpu(), labels, device=torch.device(bench.device))
        start = time.perf_counter()
        other = type(voter)().fit_support(apart)
        bench.synchronize()
        measured = {"fit_seconds": time.perf_counter() - start}
        changed = float((other.vote(x_NHD).winner_N != voter.vote(x_NHD).winner_N).double().mean())
        yield Item(
            f"{name}, vectors beside the GPU", changed <= _MOST_CHANGED, measured | {"changed": changed}
        )


def one_rank(bench: Bench) -> Iterator[Item]:
    """Sums over the ranks of a world of one."""
    from torch import distributed

    from calm_pl.distributed import concatenate_over_ranks, sum_over_ranks

    backend = "nccl" if bench.on_gpu else "gloo"
    file = f"file://{bench.folder / 'rendezvous'}"
    distributed.init_process_group(backend, init_method=file, rank=0, world_size=1)
    try:
        values = torch.arange(5.0, dtype=torch.float64, device=bench.device)
        same = torch.equal(sum_over_ranks(values), values) and concatenate_over_ranks([1, "a"]) == [1, "a"]
    finally:
        distributed.destroy_process_group()
    yield Item(f"{backend} in a world of one", same)


def several_gpus(bench: Bench) -> Iterator[Item]:
    """Two ranks give the results of one; a model is spread over GPUs."""
    if not bench.on_gpu or torch.cuda.device_count() < 2:
        yield Item("two ranks, and a spread model", None, None, "needs two GPUs")
        return
    import subprocess
    import sys

    from calm_pl import FrozenLALM

    job = ("fit-free", "--config", "demo.yaml", "model.dtype=float32", "trainer.accelerator=gpu", *_QUIET)
    launch = str(Path(__file__).parents[2] / "launch.py")
    for ranks in ("1", "2"):
        run_dir = ("bank.dir=null", f"trainer.devices={ranks}", f"run.dir=ranks{ranks}")
        subprocess.run([sys.executable, launch, *job, *run_dir], cwd=bench.folder, check=True)
    changed = _changed(*(bench.folder / f"ranks{ranks}" / "predictions.csv" for ranks in "12"))
    yield Item(
        "two ranks against one", max(changed.values()) <= _MOST_CHANGED, {"changed": max(changed.values())}
    )
    path = str(bench.folder / "model")
    spread = FrozenLALM.from_pretrained(path, dtype="bfloat16", device_map="auto")
    yield Item("a spread model", len(set(spread.model.hf_device_map.values())) > 1)
