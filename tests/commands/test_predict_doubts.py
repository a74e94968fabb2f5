"""`predict` where it is not sure: no label, or a set of labels."""

import csv
import io
import json

import pytest


@pytest.fixture
def fitted(call, small_job, tmp_path):
    job = [*small_job, "methods=[calm,calm_auto,gda]", "data.n_options=0", "wandb.mode=disabled"]
    result = call("fit-free", *job)
    assert result.returncode == 0, result.stderr
    return tmp_path / "run" / "classifier.safetensors"


def test_calm_auto_comes_first(call, fitted, esc_root):
    clip = next((esc_root / "audio").glob("1-*-0.wav"))
    first = json.loads(call("predict", "--classifier", fitted, "--json", clip).stdout)
    named = call("predict", "--classifier", fitted, "--method", "calm_auto", "--json", clip)
    assert json.loads(named.stdout) == first


def test_no_label_below_a_probability(call, fitted, esc_root):
    folder = esc_root / "audio"
    sure = json.loads(call("predict", "--classifier", fitted, "--json", folder).stdout)
    limit = sorted(row["probabilities"][row["label"]] for row in sure)[len(sure) // 2]
    rows = json.loads(call("predict", "--classifier", fitted, "--json", "--abstain", limit, folder).stdout)
    for row, was in zip(rows, sure, strict=True):
        confident = was["probabilities"][was["label"]] >= limit
        assert row["label"] == (was["label"] if confident else None)
        assert (row["abstained"], row["method"]) == (not confident, "calm_auto")
        assert row["probabilities"] == was["probabilities"]
    assert 0 < sum(row["label"] is None for row in rows) < len(rows)
    text = call("predict", "--classifier", fitted, "--csv", "--abstain", limit, folder).stdout
    assert [row["label"] or None for row in csv.DictReader(io.StringIO(text))] == [r["label"] for r in rows]


def test_sets_grow_with_the_coverage(call, fitted, esc_root):
    folder = esc_root / "audio"

    def sizes(share):
        rows = json.loads(
            call("predict", "--classifier", fitted, "--json", "--coverage", share, folder).stdout
        )
        return [len(row["candidates"]) for row in rows]

    small, large = sizes(0.5), sizes(0.9)
    assert all(a <= b for a, b in zip(small, large, strict=True))
    assert sum(large) >= len(large)
    text = call("predict", "--classifier", fitted, "--csv", "--coverage", 0.9, folder).stdout
    assert [len(row["candidates"].split("|")) for row in csv.DictReader(io.StringIO(text))] == large


def test_a_method_without_sets_is_refused(call, fitted, esc_root):
    result = call(
        "predict", "--classifier", fitted, "--method", "calm", "--coverage", 0.9, esc_root / "audio"
    )
    assert result.returncode == 1
    assert "(--coverage) need a classifier with calm_auto or gda, not calm" in result.stderr


@pytest.mark.parametrize("flag", ["--abstain", "--coverage"])
def test_shares_are_checked(call, fitted, esc_root, flag):
    result = call("predict", "--classifier", fitted, flag, 1.5, esc_root / "audio")
    assert result.returncode == 1
    assert f"{flag}: must be 0 or more and below 1, but is 1.5" in result.stderr
