"""The public call that labels files says what the command prints."""

import json

import pytest

from calm_pl import load_classifier
from calm_pl.errors import ModelError
from calm_pl.evaluation.predict import matching_model, predict_files


@pytest.fixture
def fitted(call, small_job, tmp_path, esc_root):
    assert call("fit-free", *small_job, "data.n_options=0", "methods=[sav,calm,calm_auto]").returncode == 0
    return load_classifier(tmp_path / "run" / "classifier.safetensors"), sorted(
        (esc_root / "audio").iterdir()
    )[:5]


def test_files_are_labelled_as_by_the_command(fitted, call, tmp_path):
    classifier, files = fitted
    lalm = matching_model(classifier, None)
    absent = tmp_path / "none.wav"
    absent.write_text("not a sound")
    rows = predict_files(classifier, lalm, [*map(str, files), absent], "calm", batch_size=3)
    assert [row.path for row in rows] == [str(path) for path in [*files, absent]]
    assert rows[-1].label is None
    assert not rows[-1].abstained
    assert str(absent) in rows[-1].error
    args = ("--classifier", tmp_path / "run" / "classifier.safetensors", "--method", "calm", "--json", *files)
    printed = json.loads(call("predict", *args).stdout)
    assert [row.label for row in rows[:-1]] == [one["label"] for one in printed]
    for row, one in zip(rows, printed, strict=False):
        assert row.probabilities == pytest.approx(one["probabilities"], abs=1e-6)
    unsure = predict_files(classifier, lalm, files, "calm", abstain=1.0)
    assert [(row.label, row.abstained, row.method) for row in unsure] == [(None, True, "calm")] * 5
    sets = predict_files(classifier, lalm, files, coverage=0.9)  # CALM-Auto, which is preferred
    assert all(row.label in row.candidates for row in sets if row.candidates)
    with pytest.raises(ModelError, match="has the methods sav, calm, calm_auto, not 'gda'"):
        predict_files(classifier, lalm, files, "gda")
    with pytest.raises(ModelError, match="Prediction sets"):
        predict_files(classifier, lalm, files, "calm", coverage=0.9)
