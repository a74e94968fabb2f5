"""Support clips of several labels, from the task to the voters."""

from inspect import signature
from pathlib import Path

import named_sets
import torch
from test_module import data, trainer  # noqa: F401

from calm_pl.data import BENCHMARKS
from calm_pl.data.questions.clips import Clip, Query, Round
from calm_pl.data.questions.task import Task
from calm_pl.evaluation.labelled import label_clips
from calm_pl.evaluation.module import FitFreeModule
from calm_pl.voters import CalmAuto, gather_support

CLASSES = ("bark", "gush", "speech")


def task_of(*clips):
    """Questions about clips given as tuples of labels, one a label that is a class."""
    queries = []
    for number, labels in enumerate(clips):
        clip = Clip(f"{number}", Path(f"{number}.wav"), labels, (str(number),))
        queries += [Query(clip, CLASSES.index(one), "?", (0, 1, 2)) for one in labels if one in CLASSES]
    positions = tuple(range(len(queries)))
    return Task(CLASSES, tuple(queries), tuple(queries), (Round("", 0, positions, (), positions),))


def test_further_classes_of_a_clip():
    task = task_of(("bark",), ("speech", "gush", "wind"))
    assert task.also_SC.tolist() == [[False, False, False], [False, True, False], [False, False, True]]
    found = label_clips(task, torch.zeros(2, 1, 1), [2, 0])
    assert found.labels == ["gush", "bark"]
    assert found.also_NC.tolist() == [[False, False, True], [False, False, False]]


def test_clips_of_one_class_have_none():
    task = task_of(("bark",), ("speech", "wind"))
    assert task.also_SC is None
    assert label_clips(task, torch.zeros(1, 1, 1), [0]).also_NC is None


def test_the_own_class_is_never_among_the_further_ones():
    also = torch.ones(2, 2, dtype=torch.bool)
    support = gather_support(torch.rand(2, 1, 2), [0, 1], also_NC=also)
    assert support.also_NC.tolist() == [[False, True], [True, False]]


def test_voters_of_a_run_are_told(lalm, data, monkeypatch):  # noqa: F811
    task = data.task()
    task.__dict__["also_SC"] = (torch.arange(len(task.support) * 3).reshape(-1, 3) % 4 == 0).numpy()
    seen = []

    def watched(*args):
        seen.append(signature(gather_support).bind(*args).arguments["also_NC"])
        return gather_support(*args)

    monkeypatch.setattr("calm_pl.evaluation.contenders.gather_support", watched)
    module = FitFreeModule(lalm, {"calm_auto": CalmAuto()}, task)
    trainer().validate(module, datamodule=data, verbose=False)
    (also,) = seen
    assert also.tolist() == task.also_SC.tolist()


def test_voters_of_a_sweep_are_told(call, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(BENCHMARKS, "several", "named_sets:Several")
    root = named_sets.write(tmp_path / "sounds", named_sets.SEVERAL)
    seen = []

    def watched(*args):
        seen.append(signature(gather_support).bind(*args).arguments["also_NC"])
        return gather_support(*args)

    monkeypatch.setattr("calm_pl.sweeps.module.gather_support", watched)
    job = ("data.benchmark=several", f"data.root={root}", f"model.path={tiny_folder}", "data.n_options=3")
    rest = ("trainer.accelerator=cpu", "wandb.mode=disabled", "run.dir=run", "data.num_workers=0")
    done = call("sweep", *job, *rest, "methods=[calm_auto]", "sweep.grid.data.shots=[2,3]")
    assert done.returncode == 0, done.stderr
    assert len(seen) == 2
    assert all(also_NC is not None and also_NC.any() for also_NC in seen)
