"""Voters are fitted on one device while the support's vectors lie on another, such as on disk."""

import pytest
import torch
from pretended_gpu import GPU, pretended_gpu

from calm_pl.voters import Calm, CalmAuto, CalmGlobal, Gda, HeadGda, Sav, gather_support, placing
from calm_pl.voters.many import fit_many
from calm_pl.voters.placing import fit_device

VOTERS = {
    "sav": lambda: Sav(top_k=3),
    "calm": Calm,
    "calm_global": lambda: CalmGlobal(reliability_split="loo"),
    "calm_select": lambda: Calm(select="loo", sharpness="loo"),
    "calm_auto": CalmAuto,
    "gda": Gda,
    "head_gda": lambda: HeadGda(top_k=2),
}
CPU = torch.device("cpu")


@pytest.fixture
def clips():
    generator = torch.Generator().manual_seed(0)
    y_N = torch.arange(24) % 3
    x_NHD = torch.randn(24, 6, 8, generator=generator) + 1.5 * torch.nn.functional.one_hot(y_N, 8)[:, None]
    return x_NHD.to(torch.bfloat16), ["abc"[y] for y in y_N.tolist()]


def fitted(name, support, heldout=None):
    voter = VOTERS[name]()
    fit_many([voter], support, heldout)
    voter.to(support.device)  # a list of a few numbers may be left behind
    return {key: value for key, value in vars(voter).items() if isinstance(value, torch.Tensor)}


@pytest.mark.parametrize("name", VOTERS)
def test_a_fit_reads_parts_of_the_vectors_and_is_the_same(clips, monkeypatch, name):
    x_NHD, labels = clips
    also_NC = torch.zeros(24, 3, dtype=torch.bool)
    also_NC[0, 1] = True
    expected = fitted(name, gather_support(x_NHD, labels, also_NC=also_NC))
    with monkeypatch.context() as patch, pretended_gpu(patch):
        support = gather_support(x_NHD, labels, also_NC=also_NC, device=GPU)
        assert (support.x_NHD.device, support.device, support.y_N.device) == (CPU, GPU, GPU)
        found = fitted(name, support)
        assert found.keys() == expected.keys()
        for key, value in found.items():
            assert value.device == GPU, key
            assert torch.equal(value.numbers, expected[key]), key


def test_held_out_clips_may_be_elsewhere_too(clips, monkeypatch):
    x_NHD, labels = clips
    held = (x_NHD[12:], labels[12:])
    voter, other = Calm(reliability_split="heldout"), Calm(reliability_split="heldout")
    voter.fit_support(gather_support(x_NHD[:12], labels[:12]), held)
    with monkeypatch.context() as patch, pretended_gpu(patch):
        other.fit_support(gather_support(x_NHD[:12], labels[:12], device=GPU), held)
        assert torch.equal(other.weights_.numbers, voter.weights_)


def test_a_fit_stays_on_the_cpu_where_the_gpu_lacks_the_memory(clips, monkeypatch):
    x_NHD, _ = clips
    assert fit_device(x_NHD, 24, 3, CPU) == CPU
    with monkeypatch.context() as patch, pretended_gpu(patch):
        assert fit_device(x_NHD, 24, 3, GPU) == GPU
        assert fit_device(x_NHD, 60_000, 3, GPU) == GPU  # more than are ever compared with each other
        patch.setattr(torch.cuda, "mem_get_info", lambda device: (2**32, 2**32))
        assert fit_device(x_NHD, 24, 3, GPU) == GPU
        assert fit_device(x_NHD, 9_000, 3, GPU) == CPU
        assert fit_device(x_NHD.to(GPU), 9_000, 3, GPU) == GPU  # they are there
        patch.setattr(placing, "concatenate_over_ranks", lambda mine: [False, *mine])
        assert fit_device(x_NHD.to(GPU), 24, 3, GPU) == CPU  # another rank lacks it
