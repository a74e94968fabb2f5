"""Fixtures that several tests share."""

import os

# One thread a process: tests run side by side, and threads that wait for each other take all the time.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["WANDB_SILENT"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

REPO = Path(__file__).parents[1]
SHARED = REPO.parent / "shared" / "data"


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A tiny random-weight Qwen2-Audio, as `from_pretrained` reads it."""
    from calm_pl.models.tiny import build_tiny

    return build_tiny(tmp_path_factory.mktemp("models") / "tiny", seed=0, window_seconds=2)


@pytest.fixture(scope="session")
def lalm(tiny_folder):
    from calm_pl import FrozenLALM

    return FrozenLALM.from_pretrained(str(tiny_folder))


@pytest.fixture(scope="session")
def esc_root(tmp_path_factory):
    """An ESC-50 folder of three classes, five folds, three short clips a class and fold."""
    return make_esc50(tmp_path_factory.mktemp("data") / "esc")


def make_esc50(root, classes=(("dog", 0), ("rain", 10), ("siren", 42)), per_cell=3, seconds=0.4):
    """Write a small data set in the ESC-50 layout: a tone a class, with noise."""
    rng = np.random.default_rng(0)
    (root / "audio").mkdir(parents=True)
    (root / "meta").mkdir()
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for place, (label, target) in enumerate(classes):
            for n in range(per_cell):
                source = 1000 * fold + 10 * place + n
                name = f"{fold}-{source}-A-{target}.wav"
                time = np.arange(int(seconds * 16_000)) / 16_000
                tone = np.sin(2 * np.pi * (300 + 700 * place) * time)
                wave = 0.3 * tone + 0.1 * rng.standard_normal(len(time))
                soundfile.write(root / "audio" / name, wave.astype(np.float32), 16_000)
                rows.append(f"{name},{fold},{target},{label},False,{source},A")
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root


def outside():
    """The environment for a process of its own: without the W&B service that jobs in this process started."""
    return {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}


@pytest.fixture
def launch(tmp_path):
    """Run the real command line in a folder of its own; returns the finished process."""

    def run(*args, env=None, check=False, timeout=240, prefix=()):
        command = [*prefix, sys.executable, str(REPO / "launch.py"), *map(str, args)]
        result = subprocess.run(
            command,
            cwd=tmp_path,
            env={**outside(), **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return result

    return run


class Finished(NamedTuple):
    """What a command line left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Run a command line inside this process, in a folder of its own: as `launch`, but quicker."""

    def run(*args):
        from calm_pl.commands.main import main

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["launch.py"])
        capfd.readouterr()
        status = main([str(arg) for arg in args])
        return Finished(status, *capfd.readouterr())

    return run


@pytest.fixture
def small_job(esc_root, tiny_folder):
    """Overrides of a job that takes a second."""
    return [
        "data.benchmark=esc50",
        f"data.root={esc_root}",
        f"model.path={tiny_folder}",
        "data.shots=4",
        "data.n_options=3",
        "data.num_workers=0",
        "trainer.accelerator=cpu",
        "trainer.devices=1",
        "run.dir=run",
    ]
