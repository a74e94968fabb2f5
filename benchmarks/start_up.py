"""Measure how long commands take to start, in CPU seconds of whole processes, and what they import.

Each command is run `--runs` times after one run that does not count, and the median is kept. The job is the
demo's with a full bank, so that neither model nor sound is needed; the others follow it. `predict` needs the
model; the row "torch and the model" is what loading these takes alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[1]
RECORD = Path(__file__).parent / "results" / "start_up.json"
LOOKED_FOR = (
    *("torch", "torch._dynamo", "lightning", "torchmetrics", "transformers", "torchvision"),
    *("matplotlib", "sympy", "wandb"),
)
CLIP = "1-100032-A-0.ogg"
QUIET = ("wandb.mode=disabled", "run.dir=run", "trainer.accelerator=cpu", "trainer.devices=1")
LOAD = "from calm_pl import FrozenLALM; FrozenLALM.from_pretrained('bundled:tiny_lalm')"
CODE = """
import json, sys
from calm_pl.commands.main import main
sys.argv = ["launch.py"]
try:
    main(sys.argv_of_command)
except SystemExit:
    pass
names = [name for name in sys.looked_for if name in sys.modules]
with open("imported.json", "w") as file:
    json.dump([names, len(sys.modules)], file)
"""


def commands() -> dict[str, list[str]]:
    """Command lines by name; the first fills the bank, and those that name nothing that is there fail."""
    demo = ["fit-free", "--config", "demo.yaml", *QUIET]
    # Of questions without options, as `predict` asks: nobody knows the options of an unlabelled clip.
    train = [*demo, "run.dir=plain", "data.n_options=0", "methods=[sav,calm]", "callbacks=[run_record]"]
    clip = str(REPO / "calm_pl" / "assets" / "esc10" / "audio" / CLIP)
    return {
        "fit-free (warm bank)": demo,
        "fit-free (warm bank, no figures, no page)": [*demo, "callbacks=[progress,run_record,predictions]"],
        "fit-free (warm bank, two methods)": train,
        "torch and the model": ["-c", LOAD],
        "predict (one file)": ["predict", "--classifier", "plain/classifier.safetensors", clip],
        "report": ["report", "run", "--no-audio"],
        "bank info": ["bank", "info", "runs/.bank"],
        "--help": ["--help"],
        "fit-free --help": ["fit-free", "--help"],
        "predict nope.wav": ["predict", "--classifier", "plain/classifier.safetensors", "nope.wav"],
        "fit-free data.root=/nope": ["fit-free", "--config", "demo.yaml", "data.root=/nope"],
    }


def measure(folder: Path, args: list[str]) -> tuple[float, float]:
    """Return CPU and wall seconds of one command line, from outside."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, *(args if args[0] == "-c" else (str(REPO / "launch.py"), *args))]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if (done.returncode == 0) == any("nope" in arg for arg in args):
        raise RuntimeError(f"{args} ended with {done.returncode}:\n{done.stderr}")
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def imports(folder: Path, args: list[str]) -> tuple[list[str], int]:
    """Return which of `LOOKED_FOR` a command line imports, and how many modules in all."""
    if args[0] == "-c":
        return [], 0
    code = f"import sys\nsys.argv_of_command = {args!r}\nsys.looked_for = {LOOKED_FOR!r}\n{CODE}"
    env = {**os.environ, "PYTHONPATH": str(REPO)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True)
    names, count = json.loads((folder / "imported.json").read_text())
    return names, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--name", required=True, help="of this measurement in the record, such as 'after'")
    args = parser.parse_args()
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, words in commands().items():
            measure(folder, words)
            found = [measure(folder, words) for _ in range(args.runs)]
            names, count = imports(folder, words)
            cpu, wall = (statistics.median(one) for one in zip(*found, strict=True))
            seconds = {"cpu_s": round(cpu, 2), "wall_s": round(wall, 2)}
            rows[name] = {**seconds, "modules": count, "imports": names}
            print(f"{name:<45} {seconds} {count:5} modules  {', '.join(names)}", flush=True)
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    record[args.name] = {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "lightning", "transformers", "torchmetrics")},
        "commands": rows,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
