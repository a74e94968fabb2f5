"""Memory that a model needs: weights counted from files, activations estimated."""

import json
from types import SimpleNamespace

import pytest
from conftest import REPO

from calm_pl.models.sizes import Widths, activation_bytes, stored_numbers, weight_bytes, widths_of


def test_weights_are_counted_from_the_headers(tiny_folder, lalm):
    counts = stored_numbers(tiny_folder)
    numbers = {id(one): one.numel() for one in lalm.model.state_dict(keep_vars=True).values()}
    assert counts == {"F16": sum(numbers.values())}
    total = counts["F16"]
    for dtype, each in (("auto", 2), ("bfloat16", 2), ("float32", 4)):
        assert weight_bytes(counts, dtype) == each * total
    assert weight_bytes(counts, "auto", "8bit") == total
    assert weight_bytes(counts, "float32", "4bit") == round(total / 2)


def test_widths_are_found_in_a_configuration(lalm):
    assert widths_of(lalm.model.config) == Widths(128, 256, 8, 16, 4, 4, 96, 192)
    text = SimpleNamespace(
        hidden_size=8, intermediate_size=[4, 6], num_attention_heads=2, num_hidden_layers=3, to_dict=dict
    )
    without = SimpleNamespace(get_text_config=lambda: text, text_config=text)
    assert widths_of(without) == Widths(8, 6, 2, 4, 3, 2, 0, 0)


def test_activations_grow_with_clips_length_and_what_is_kept():
    widths = Widths(4096, 11_008, 32, 128, 32, 32, 1280, 5120)

    def size(clips=8, seconds=5.0, tokens=165, each=2, **more):
        return activation_bytes(widths, clips, seconds, tokens, each, **more)

    assert size(clips=16) == pytest.approx(2 * size(), rel=1e-6)
    assert size(each=4) > 1.9 * size()
    assert size(seconds=30.0, tokens=790) > 4 * size()
    assert size(eager=True) > size()
    cache = size(caches=1) - size()
    assert cache == pytest.approx(1.3 * 8 * 2 * 2 * 32 * 165 * 32 * 128, rel=1e-6)
    assert size(caches=2) - size() == pytest.approx(2 * cache, rel=1e-6)


def test_the_page_says_how_far_estimates_are_from_what_was_measured():
    rows = json.loads((REPO / "benchmarks/results/memory.json").read_text())["rows"]
    ratios = [row["ratio"] for row in rows]
    page = " ".join((REPO / "docs/needs.md").read_text().split())
    assert f"was {min(ratios):.2f} to {max(ratios):.2f} times what" in page
    for row in rows:
        layers, hidden, mlp, heads, tower, tower_mlp, _ = row["shape"]
        widths = Widths(hidden, mlp, heads, hidden // heads, layers, heads, tower, tower_mlp)
        now = activation_bytes(widths, row["clips"], row["seconds"], row["tokens"], 4)
        assert now == pytest.approx(row["estimated"], rel=0.02)  # the record is of this estimate
