"""The public call that labels files says what the command prints."""

import json

import pytest

from calm_pl import load_classifier
from calm_pl.errors import ModelError
from calm_pl.evaluation.predict import matching_model, predict_files
from calm_pl.voters.base import HeadVoter, ScoreVoter


@pytest.fixture
def fitted(call, small_job, tmp_path, esc_root):
    assert call("fit-free", *small_job, "data.n_options=0", "methods=[sav,calm,calm_auto]").returncode == 0
    return load_classifier(tmp_path / "run" / "classifier.safetensors"), sorted(
        (esc_root / "audio").iterdir()
    )[:5]


def test_files_are_labelled_as_by_the_command(fitted, call, tmp_path, monkeypatch):
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
    every = {method: predict_files(classifier, lalm, files, method) for method in classifier.voters}
    first = classifier.voters["calm"].weights_
    first[:, 1:] = 0  # of a fit that kept one head, in the first layer
    first[:, 0] = 1
    second = lalm.decoder.layers[1].register_forward_pre_hook(lambda module, args: pytest.fail("is run"))
    alone = predict_files(classifier, lalm, files, "calm")
    second.remove()
    with monkeypatch.context() as patch:
        patch.setattr(HeadVoter, "num_read", property(lambda voter: None))  # all layers
        patch.setattr(ScoreVoter, "num_read", property(lambda voter: None))
        assert predict_files(classifier, lalm, files, "calm") == alone
        for method in ("sav", "calm_auto"):
            assert predict_files(classifier, lalm, files, method) == every[method]
    with pytest.raises(ModelError, match="has the methods sav, calm, calm_auto, not 'gda'"):
        predict_files(classifier, lalm, files, "gda")
    with pytest.raises(ModelError, match="Prediction sets"):
        predict_files(classifier, lalm, files, "calm", coverage=0.9)
