"""How many clips go into a pass where the configuration leaves it open: by the memory of the GPU."""

from types import SimpleNamespace

import pytest
import torch
from tiny_clap import build_clap

from calm_pl.config.compose import load_config
from calm_pl.config.schema import ModelConfig
from calm_pl.data.loading.loaders import Ahead
from calm_pl.jobs import batch_size
from calm_pl.jobs.batch_size import batch_size_for, clip_cost, weights_of
from calm_pl.jobs.forecast import preparer_here
from calm_pl.jobs.parts import build_data
from calm_pl.models.sizes import stored_numbers

GPU = torch.device("cuda", 0)
SECONDS = 1.0


@pytest.fixture(scope="module")
def job(esc_root, tiny_folder):
    """A configuration and its data; overrides change it."""

    def made(*more):
        where = (f"data.root={esc_root}", f"model.path={tiny_folder}", "model.dtype=float32")
        config = load_config(["esc50.yaml"], [*where, "data.shots=4", "wandb.mode=disabled", *more])
        return config, build_data(config)

    return made


@pytest.fixture
def chosen(job, monkeypatch):
    """The number for a GPU on which `free` bytes are free, of a job with these overrides."""

    def choose(free, *more, device=GPU, ranks=1, questions=1000):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2**40))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 0)
        monkeypatch.setattr(
            torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=2**40)
        )
        config, data = job(*more)
        return batch_size_for(
            config, data, preparer_here(config.model), Ahead(questions, SECONDS, device, ranks)
        )

    return choose


@pytest.fixture
def needed(job):
    """The free memory with which so many clips just fit."""

    def find(clips, *more):
        config, data = job(*more)
        weights = weights_of(config.model, on_gpu=True)
        cost = clip_cost(config, data, preparer_here(config.model), weights, SECONDS)
        support = batch_size._support_bytes(data, cost, Ahead(0, SECONDS, GPU, 1))
        return weights.size + support + batch_size._RESERVED + cost.activations(clips) / batch_size._SHARE

    return find


@pytest.fixture(autouse=True)
def _plenty_held(monkeypatch):
    monkeypatch.setattr("calm_pl.evaluation.support_store.most_held", lambda device: 2**30)


def test_the_largest_power_of_two_that_fits(chosen, needed):
    for clips in (2, 8, 32):
        assert chosen(needed(clips) + 1) == clips
        assert chosen(needed(clips) - 2) == clips // 2
        assert chosen(needed(2 * clips) - 2) == clips
    assert chosen(2**39) == 64
    assert chosen(0) == 1  # what does not fit is told when memory runs out


def test_what_a_job_keeps_beside_counts(chosen, needed):
    free = needed(32) + 1
    assert chosen(free) == 32
    assert chosen(free, "zero_shot=generate") < 32  # keys and values
    assert needed(32, "zero_shot=text") > needed(32, "zero_shot=generate") > free  # a copy of them
    assert chosen(free, "data.support_labels=pseudo", "pseudo.rollouts=8") <= 4
    assert chosen(free, "model.attn=eager") < 32
    assert needed(32, "model.dtype=bfloat16") < free


def test_what_is_not_known_stays_as_usual(chosen, monkeypatch):
    assert chosen(2**39, device=torch.device("cpu")) == 8
    assert chosen(2**39, "model.device_map=auto") == 8
    with monkeypatch.context() as patch:
        patch.setattr("calm_pl.models.sizes.widths_of", lambda config: config.no_such_name)
        assert chosen(2**39) == 8
    monkeypatch.setattr("calm_pl.models.loading.checkpoint_folder", lambda path, revision: None)
    with monkeypatch.context() as patch:
        patch.setattr("calm_pl.jobs.forecast.preparer_here", lambda model: None)
        assert weights_of(SimpleNamespace(path="owner/name", revision=None), on_gpu=True) is None


def test_a_clap_model_takes_float32_whatever_is_asked(tmp_path):
    stored = sum(stored_numbers(build_clap(tmp_path / "clap")).values())
    for dtype in ("auto", "bfloat16"):
        weights = weights_of(ModelConfig(path=str(tmp_path / "clap"), dtype=dtype), on_gpu=True)
        assert weights == (4 * stored, 4)


@pytest.mark.parametrize(
    ("ranks", "questions", "expected"), [(1, 10, 64), (2, 256, 32), (8, 1000, 16), (8, 40, 8)]
)
def test_each_rank_has_several_batches(chosen, ranks, questions, expected):
    assert chosen(2**39, ranks=ranks, questions=questions) == expected


def test_what_is_on_its_way_fits_into_shared_memory(chosen, monkeypatch):
    monkeypatch.setattr(
        batch_size.os, "statvfs", lambda folder: SimpleNamespace(f_blocks=2**14, f_frsize=2**10)
    )
    assert chosen(2**39) == 16  # docker's 64 MiB would hold 20 clips of a second
    monkeypatch.setattr(batch_size.os, "statvfs", lambda folder: SimpleNamespace(f_blocks=1, f_frsize=1))
    assert chosen(2**39) == 8  # as many as ever: a batch that is too large is told of
