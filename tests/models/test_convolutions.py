"""A float32 model's convolutions run without TF32 on a GPU, and leave PyTorch's setting alone."""

import pytest
import torch
from pretended_gpu import GPU, pretended_gpu
from torch import nn
from torch.backends import cudnn

from calm_pl.models.convolutions import without_tf32


class Watched(nn.Conv1d):
    """Notes the setting while it runs; may fail."""

    def forward(self, x):
        self.seen = cudnn.allow_tf32
        if self.fails:
            raise ZeroDivisionError
        return super().forward(x)


@pytest.fixture
def model():
    model = nn.Sequential(Watched(2, 3, 1), nn.ReLU()).requires_grad_(False)
    model[0].fails = False
    without_tf32(model)
    return model


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize(("device", "dtype"), [("cuda", "float32"), ("cuda", "bfloat16"), ("cpu", "float32")])
def test_only_on_a_gpu_in_float32(model, monkeypatch, allowed, device, dtype):
    monkeypatch.setattr(cudnn, "allow_tf32", allowed)
    with monkeypatch.context() as patch, pretended_gpu(patch):
        where = GPU if device == "cuda" else torch.device("cpu")
        model.to(where, getattr(torch, dtype))
        model(torch.zeros(1, 2, 4, dtype=getattr(torch, dtype)).to(where))
    assert model[0].seen is (allowed and (device, dtype) != ("cuda", "float32"))
    assert cudnn.allow_tf32 is allowed


def test_a_pass_that_fails_leaves_the_setting_as_it_was(model, monkeypatch):
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    model[0].fails = True
    with monkeypatch.context() as patch, pretended_gpu(patch):
        model.to(GPU)
        with pytest.raises(ZeroDivisionError):
            model(torch.zeros(1, 2, 4).to(GPU))
    assert model[0].seen is False
    assert cudnn.allow_tf32 is True


def test_settings_of_single_operators_stay(model, monkeypatch):
    before = cudnn.conv.fp32_precision
    cudnn.conv.fp32_precision = "ieee"  # `allow_tf32` cannot be read then
    try:
        model[0].forward = lambda x: x
        with monkeypatch.context() as patch, pretended_gpu(patch):
            model(torch.zeros(1, 2, 4).to(GPU))
        assert cudnn.conv.fp32_precision == "ieee"
    finally:
        cudnn.conv.fp32_precision = before


def test_a_model_that_is_wrapped_twice(model, monkeypatch):
    without_tf32(model)
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    with monkeypatch.context() as patch, pretended_gpu(patch):
        model.to(GPU)(torch.zeros(1, 2, 4).to(GPU))
    assert model[0].seen is False
    assert cudnn.allow_tf32 is True
