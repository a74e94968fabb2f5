"""Maps of heads: what a page keeps of them."""

import base64

import numpy as np
import pytest

from calm_pl.errors import ModelError
from calm_pl.report import head_maps
from calm_pl.report.head_maps import HeadMap, head_data, read_head_maps


def unpacked(steps):
    """What the page's script makes of them."""
    numbers = np.frombuffer(base64.b64decode(steps["bytes"]), np.uint8).astype(float)
    values = steps["low"] + (numbers - 1) / 254 * (steps["high"] - steps["low"])
    return np.where(numbers == 0, 0.0, values)


@pytest.fixture
def one():
    rng = np.random.default_rng(0)
    reliability_RH = rng.random((7, 40)).astype(np.float32)
    weights_RH = np.where(rng.random((7, 40)) < 0.4, 0, rng.random((7, 40)) * 1e-3).astype(np.float32)
    return HeadMap("calm", reliability_RH, weights_RH)


def test_values_are_kept_to_half_a_step_and_no_vote_stays_no_vote(one):
    data = head_data(one)
    for key, values in (("reliability", one.reliability_RH), ("weights", one.weights_RH)):
        kept = unpacked(data[key]).reshape(values.shape)
        step = (data[key]["high"] - data[key]["low"]) / 254
        assert np.abs(kept - values).max() <= step / 2 + 1e-9
        assert ((kept == 0) == (values == 0)).all()
    assert np.abs(unpacked(data["mean"]) - one.reliability_RH.mean(0)).max() < 0.002


def test_the_classes_that_trust_a_head_most(one):
    data = head_data(one)
    assert data["perClass"]
    for h in range(40):
        ranks = []
        for c in range(7):
            key = [(-one.weights_RH[c, g], -one.reliability_RH[c, g], g) for g in range(40)]
            ranks.append((sum(other < key[h] for other in key) + 1, c))
        assert data["trusted"][h] == [[c, rank] for rank, c in sorted(ranks)[: head_maps.TOP_CLASSES]]


def test_equal_values_and_one_row():
    data = head_data(HeadMap("sav", np.full((1, 4), 0.5), np.zeros((1, 4))))
    assert unpacked(data["reliability"]).tolist() == [0.5] * 4
    assert unpacked(data["weights"]).tolist() == [0] * 4
    assert not data["perClass"]
    assert data["trusted"] == []


def test_past_a_million_values_classes_are_not_told_apart(one, monkeypatch):
    monkeypatch.setattr(head_maps, "MOST_VALUES", 279)
    data = head_data(one)
    assert not data["perClass"]
    assert len(unpacked(data["reliability"])) == 40
    assert len(data["trusted"]) == 40  # these are few


def test_a_file_that_is_no_classifier_is_named(tmp_path):
    assert read_head_maps(tmp_path / "classifier.safetensors") == []
    (tmp_path / "classifier.safetensors").write_text("no")
    with pytest.raises(ModelError, match=r"classifier\.safetensors"):
        read_head_maps(tmp_path / "classifier.safetensors")
