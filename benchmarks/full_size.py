"""Run every command on a released 7B model's real configuration with random bfloat16 weights.

    python benchmarks/full_size.py --family qwen2_audio --out benchmarks/results/full_size_qwen2_audio.json
    python benchmarks/full_size.py --family qwen2_5_omni --out benchmarks/results/full_size_qwen2_5_omni.json

The weights, 17 to 18 GB, are written shard by shard under released names and removed afterwards. Each command
is a process of its own; its time, its peak and, where two should agree, the equality of their predictions are
recorded. `--layers N` keeps N layers of the decoder, `--small` the tests' widths: neither is the full size,
and the record says so.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "benchmarks"))
from full_size_models import NAMES, write  # noqa: E402

QUIET = ("wandb.mode=disabled", "callbacks=[run_record,predictions,pseudo_labels]", "data.num_workers=0")
PSEUDO = ("pseudo.rollouts=1", "pseudo.max_new_tokens=1", "pseudo.min_agreement=0.01")


class Command(NamedTuple):
    """A command line and what it is compared with.

    Attributes:
        name: in the record.
        args: of the command line.
        same_as: command whose predictions.csv must have the same bytes.
    """

    name: str
    args: tuple[str, ...]
    same_as: str | None = None


def commands(bench: argparse.Namespace, folder: Path) -> list[Command]:
    """Return the commands in their order; later ones find what earlier ones left in the bank."""
    model = (f"model.path={folder / 'model'}", "model.dtype=bfloat16", "data.batch_size=2")
    here = (
        ("trainer.accelerator=cpu", "trainer.devices=1") if bench.device == "cpu" else ("trainer.devices=1",)
    )
    few = ("--config", "demo.yaml", "--limit", str(bench.clips), "data.n_options=0", *model, *here, *QUIET)
    free = ("fit-free", *few, "methods=[zero_shot,sav,calm_global,calm]", "data.n_options=3")
    predicted = ("predict", "--classifier", str(folder / "fitted" / "classifier.safetensors"), "--csv")
    clip = sorted((REPO / "calm_pl" / "assets" / "esc10" / "audio").glob("*.ogg"))[0]
    made = [
        Command("fit-free", (*free, "run.dir=one", "bank.dir=bank")),
        Command("fit-free again, from the bank", (*free, "run.dir=again", "bank.dir=bank"), "one"),
        Command("fit-free, two ranks", (*free, "run.dir=two", "bank.dir=null", "trainer.devices=2"), "one"),
        Command("fit-free without options", ("fit-free", *few, "methods=[calm]", "run.dir=fitted")),
        Command("predict", (*predicted, str(clip))),
    ]
    for mode in ("text", "generate"):
        words = (f"zero_shot={mode}", f"run.dir={mode}", "bank.dir=null", "model.self_check=false")
        made.append(Command(f"zero-shot, {mode}", (*free, *words)))
    labels = ("pseudo-label", *few, "data.n_options=3", *PSEUDO, "run.dir=labels", "model.self_check=false")
    made.append(Command("pseudo-label", labels))
    task = (
        "task.manifest=mask.csv",
        f"task.root={REPO / 'calm_pl' / 'assets' / 'esc10'}",
        "task.name=halves",
    )
    steps = (
        "mask.steps=3",
        "mask.warmup=1",
        "task.batch_size=1",
        "task.num_workers=0",
        "wandb.mode=disabled",
    )
    mask = ("fit-mask", *model[:2], *here, *task, *steps, "run.dir=mask", "model.self_check=false")
    made.append(Command("fit-mask, three steps", mask))
    if bench.videos is not None:
        seen = ("--config", "vggvideo.yaml", f"data.root={bench.videos}", "--limit", "4", "data.shots=2")
        made.append(Command("fit-free, video", ("fit-free", *seen, *model, *here, *QUIET, "run.dir=video")))
    return made


def run(command: Command, folder: Path) -> dict[str, Any]:
    """Run a command in a process; returns its status, time, peak and, if wanted, whether it agrees."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        line = [sys.executable, str(REPO / "launch.py"), *command.args]
        process = subprocess.Popen(line, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    row = {
        "command": command.name,
        "status": process.returncode,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gigabytes": round(used.ru_maxrss / 1e6, 2),  # with the mapped file's pages
        "load": round(os.getloadavg()[1], 1),  # of the last five minutes: what else ran makes times longer
    }
    if process.returncode:
        row["said"] = text[-800:]
    elif command.same_as is not None:
        own = next(arg.partition("=")[2] for arg in command.args if arg.startswith("run.dir="))
        files = [folder / name / "predictions.csv" for name in (own, command.same_as)]
        row["equal_predictions"] = files[0].read_bytes() == files[1].read_bytes()
    print(json.dumps(row), flush=True)
    return row


def pass_and_drift(path: Path, device: str) -> dict[str, Any]:
    """Load the model in this process: time, peaks, seconds per clip beside the machine's rate, drift."""
    from torch.utils.flop_counter import FlopCounterMode

    from calm_pl import FrozenLALM
    from calm_pl.errors import ModelError
    from calm_pl.models.checks import QUESTIONS, invariance_check, sample_clips

    start = time.perf_counter()
    lalm = FrozenLALM.from_pretrained(str(path), dtype="bfloat16").to(device)
    loaded = time.perf_counter() - start
    clip = sample_clips(lalm.preparer)[:1]
    inputs = {name: one.to(device) for name, one in lalm.preparer(clip, QUESTIONS[:1]).items()}
    with FlopCounterMode(display=False) as counted:
        lalm(inputs)
    start = time.perf_counter()
    lalm(inputs)
    seconds = time.perf_counter() - start
    rate = _matmul_rate(device)
    found: dict[str, Any] = {
        "load_seconds": round(loaded, 1),
        "seconds_per_3_s_clip": round(seconds, 3),
        "teraflops_per_clip": round(counted.get_total_flops() / 1e12, 6),
        "bfloat16_teraflops_per_second": round(rate / 1e12, 4),
        "share_of_rate": round(counted.get_total_flops() / seconds / rate, 3),
        "load": round(os.getloadavg()[1], 1),
    }
    for batch in (2, 3):
        clips = sample_clips(lalm.preparer)[:batch]
        try:
            report = invariance_check(lalm, clips, QUESTIONS[:batch])
            found[f"batch_{batch}"] = report._asdict()
        except ModelError as error:
            found[f"batch_{batch}"] = str(error)
    found["peak_gigabytes"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    print(json.dumps(found), flush=True)
    return found


def _matmul_rate(device: str, side: int = 2048) -> float:
    """Return floating-point operations per second of bfloat16 products of square matrices, at best."""
    one, other = (torch.randn(side, side, dtype=torch.bfloat16, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        (one @ other)[0, 0].item()
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def main() -> int:
    """Command line: see the module's docstring. The status is 1 where a command failed or results differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", choices=tuple(NAMES), default="qwen2_audio")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--clips", type=int, default=4, help="of support and query each")
    parser.add_argument("--layers", type=int, help="of the decoder, in place of the released number")
    parser.add_argument("--small", action="store_true", help="the tests' widths and depths")
    parser.add_argument("--videos", type=Path, help="a VGGSound folder with videos, for Omni (make_sets.py)")
    parser.add_argument("--out", type=Path)
    bench = parser.parse_args()
    if bench.clips < 4:
        parser.error(f"--clips: must be 4 or more, as the commands' --limit, but is {bench.clips}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        made = write(bench.family, folder / "model", small=bench.small, layers=bench.layers)
        made["seconds"] = round(time.perf_counter() - start, 1)
        print(json.dumps(made), flush=True)
        clips = sorted((REPO / "calm_pl" / "assets" / "esc10" / "audio").glob("*.ogg"))[:4]
        lines = [f"audio/{path.name},{'yes' if n % 2 else 'no'},train" for n, path in enumerate(clips)]
        (folder / "mask.csv").write_text("\n".join(["file,answer,split", *lines]) + "\n")
        rows = [run(command, folder) for command in commands(bench, folder)]
        once = pass_and_drift(folder / "model", bench.device)
    record = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {bench.device}",
        "torch": torch.__version__,
        "full_size": not bench.small and bench.layers is None,
        "model": made,
        "one_process": once,
        "commands": rows,
    }
    if bench.out:
        bench.out.parent.mkdir(parents=True, exist_ok=True)
        bench.out.write_text(json.dumps(record, indent=2) + "\n")
    return int(any(row["status"] or row.get("equal_predictions") is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
