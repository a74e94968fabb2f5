"""Fixtures that several tests share."""

import json
import os

# One thread a process: tests run side by side, and threads that wait for each other take all the time.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["WANDB_SILENT"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"

import subprocess
import sys
from pathlib import Path

import deprecations
import numpy as np
import pytest
import soundfile
from warm_processes import Finished, launched

deprecations.watch()
REPO = Path(__file__).parents[1]
SHARED = REPO.parent / "shared" / "data"


JOB_FIXTURES = {"launch", "call", "finished", "worked", "job", "fitted", "bundled"}
JOB_NAMES = {"Job", "Trainer", "command_line", "subprocess", "multiprocessing", "every_figure"}
"""What test files import that run whole jobs or other processes, or draw every figure."""


def pytest_collection_modifyitems(items):
    """Mark the tests that run whole jobs, or stand beside such tests in their file."""
    files = {item.path for item in items if JOB_FIXTURES & set(item.fixturenames)}
    for item in items:
        if item.path in files or JOB_NAMES & vars(item.module).keys():
            item.add_marker("job")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A tiny random-weight Qwen2-Audio, as `from_pretrained` reads it."""
    from calm_pl.models.tiny import build_tiny

    return build_tiny(tmp_path_factory.mktemp("models") / "tiny", seed=0, window_seconds=2)


@pytest.fixture(scope="session")
def shared_lalm(tiny_folder):
    """The tiny model for fixtures that outlive a test; nobody changes it."""
    from calm_pl import FrozenLALM

    return FrozenLALM.from_pretrained(str(tiny_folder))


@pytest.fixture
def lalm(shared_lalm):
    """The same for a test, which may put a mask on it, as long as it lasts."""
    yield shared_lalm
    shared_lalm.use_mask(None)


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


def command_line(folder, *args):
    """Run a command line to its end in a process and folder of its own; it must succeed."""
    done = launched(folder, args, outside())
    assert done.returncode == 0, done.stdout + done.stderr
    check_results(folder, args)
    return done


def check_results(folder, args):
    """Compare what a finished `fit-free` wrote with the JSON Schema of results.json."""
    if args[0] == "fit-free":
        from calm_pl.runs import results_schema
        from calm_pl.runs.json_rules import Rules

        schema = results_schema()
        for path in folder.glob("**/results.json"):
            results = json.loads(path.read_text())
            parts = {name: results[name] for name in schema["properties"] if name in results}
            faults = [n for n, part in parts.items() if not Rules(schema).fits(schema["properties"][n], part)]
            lacking = [name for name in schema["required"] if name not in results]
            assert not faults + lacking, (path, faults, lacking)


@pytest.fixture
def launch(tmp_path):
    """Run a command line in a process and a folder of its own; returns what it left.

    The process is forked from one that has imported everything; with `cold` it is `python launch.py` itself,
    which starts its own ranks, behind the words of `prefix`.
    """

    def run(*args, env=None, check=False, cold=False, prefix=()):
        whole = {**outside(), **(env or {})}
        if cold:
            command = [*prefix, sys.executable, str(REPO / "launch.py"), *map(str, args)]
            done = subprocess.run(
                command, cwd=tmp_path, env=whole, capture_output=True, text=True, timeout=240
            )
            result = Finished(done.returncode, done.stdout, done.stderr)
        else:
            result = launched(tmp_path, args, whole)
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        if result.returncode == 0:
            check_results(tmp_path, args)
        return result

    return run


@pytest.fixture
def call(tmp_path, monkeypatch, capfd):
    """Run a command line inside this process, in a folder of its own: as `launch`, but quicker."""

    def run(*args):
        from calm_pl.commands.main import main

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["launch.py"])
        capfd.readouterr()
        status = main([str(arg) for arg in args])
        if status == 0:
            check_results(tmp_path, args)
        return Finished(status, *capfd.readouterr())

    return run


@pytest.fixture
def small_job(esc_root, tiny_folder):
    """Overrides of a job that takes a second: it draws no figures, and writes no page and no dashboard."""
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
        *LEAN,
    ]


LEAN = ("wandb.mode=disabled", "callbacks=[progress,run_record,predictions,pseudo_labels]")
"""Without figures, page and dashboard, on which a small job spends most of its time."""
ALL_CALLBACKS = (
    "callbacks=[progress,run_record,predictions,figures,report,wandb_tables,pseudo_labels]",
    "wandb.mode=offline",
)
"""Behind `LEAN`, where figures, page and dashboard are looked at."""
