"""Labels of long recordings: sections, events, and that they are those of the same sound in its own files."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from calm_pl import load_classifier
from calm_pl.errors import BadClipError, ModelError
from calm_pl.evaluation.predict import matching_model, predict_files
from calm_pl.evaluation.recordings import Event, Section, _Heard, _sections, events, label_recording

ABC = SimpleNamespace(classes=("a", "b", "c"))


def heard(start, stop, *proba, hop=2):
    silent = (not proba,) * max(1, math.ceil((stop - start) / hop - 1e-6))
    return _Heard(start, stop, torch.tensor(proba, dtype=torch.float64) if proba else None, silent)


def test_a_section_has_the_mean_of_the_windows_that_cover_its_middle():
    windows = [heard(0, 4, 0.8, 0.1, 0.1), heard(2, 6, 0.2, 0.7, 0.1), heard(4, 7, 0.0, 0.1, 0.9)]
    found = list(_sections(iter(windows), ABC, 2, 0.6))
    assert [(one.start, one.stop) for one in found] == [(0, 2), (2, 4), (4, 6), (6, 7)]
    assert [one.label for one in found] == ["a", None, None, "c"]  # the means of two are 0.5 and 0.5
    assert [one.probability for one in found] == pytest.approx([0.8, 0.5, 0.5, 0.9])


def test_what_is_silent_has_no_label():
    windows = [heard(0, 4), heard(2, 6, 0.2, 0.7, 0.1), heard(4, 7)]
    found = list(_sections(iter(windows), ABC, 2, 0))
    assert [one.label for one in found] == [None, "b", None, None]
    assert [one.silent for one in found] == [True, False, True, True]


def test_neighbours_with_one_label_are_one_event():
    sections = [
        Section(0, 2, "a", 0.5),
        Section(2, 4, "a", 0.9),
        Section(4, 6, None, 0.3),
        Section(6, 8, "a", 0.6),
        Section(8, 10, "b", 0.7),
        Section(10, 11, "b", 0.4),
    ]
    expected = [Event(0, 4, "a", 0.7), Event(6, 8, "a", 0.6), Event(8, 11, "b", (1.4 + 0.4) / 3)]
    for one, other in zip(events(sections), expected, strict=True):
        assert one[:3] == other[:3]
        assert one.probability == pytest.approx(other.probability)
    assert list(events([])) == []


@given(st.floats(0.1, 100), st.floats(0.5, 20), st.floats(0.1, 1))
def test_sections_cover_the_recording_without_gaps(seconds, window, share):
    hop = window * share
    starts = itertools.takewhile(
        lambda start: start == 0 or start - hop + window < seconds, (k * hop for k in itertools.count())
    )
    windows = (heard(start, min(start + window, seconds), 0.2, 0.5, 0.3, hop=hop) for start in starts)
    found = list(_sections(windows, ABC, hop, 0))
    assert found[0].start == 0
    assert found[-1].stop == pytest.approx(seconds, abs=2e-3)
    assert all(one.stop == other.start for one, other in itertools.pairwise(found))
    assert [one.label for one in events(found)] == ["b"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, esc_root, tiny_folder):
    """A classifier of three tones, its model, and clips."""
    from conftest import LEAN, command_line

    folder = tmp_path_factory.mktemp("recordings")
    own = ("data.benchmark=esc50", f"data.root={esc_root}", f"model.path={tiny_folder}", "data.shots=4")
    quick = ("data.n_options=0", "methods=[calm_auto]", "trainer.accelerator=cpu", "trainer.devices=1")
    command_line(folder, "fit-free", *own, *quick, "data.num_workers=0", "run.dir=run", *LEAN)
    classifier = load_classifier(folder / "run/classifier.safetensors")
    return classifier, matching_model(classifier, None), sorted((esc_root / "audio").glob("1-*"))


def test_labels_are_those_of_the_same_sound_in_files_of_its_own(fitted, tmp_path):
    classifier, lalm, files = fitted
    clips = [soundfile.read(file, dtype="float32")[0] for file in files]
    soundfile.write(tmp_path / "long.wav", np.concatenate(clips), 16_000, subtype="FLOAT")
    sections = list(
        label_recording(classifier, lalm, tmp_path / "long.wav", window=0.4, hop=0.4, batch_size=4)
    )
    rows = predict_files(classifier, lalm, files, batch_size=9)
    assert [one.label for one in sections] == [row.label for row in rows]
    highest = [max(row.probabilities.values()) for row in rows]
    assert [one.probability for one in sections] == pytest.approx(highest, abs=1e-5)
    unsure = label_recording(classifier, lalm, tmp_path / "long.wav", window=0.4, hop=0.4, abstain=0.999)
    assert {one.label for one in unsure} == {None}


def test_silence_is_not_shown_to_the_model(fitted, tmp_path, monkeypatch):
    classifier, lalm, _ = fitted
    soundfile.write(tmp_path / "still.wav", np.zeros(32_000, np.float32), 16_000)
    monkeypatch.setattr(type(lalm), "forward", lambda *_: pytest.fail("the model was asked"))
    found = list(label_recording(classifier, lalm, tmp_path / "still.wav", window=1.0))
    assert [one.label for one in found] == [None] * 4
    assert all(math.isnan(one.probability) for one in found)


def test_what_cannot_be(fitted, tmp_path):
    classifier, lalm, _ = fitted
    for window, hop, message in [
        (60, None, "The window must be 0.1 to 2 s"),
        (1, 2, "The hop must be above 0 and at most the window, 1 s, but is 2 s"),
    ]:
        with pytest.raises(ModelError, match=message):
            label_recording(classifier, lalm, "x.wav", window=window, hop=hop)
    (tmp_path / "bad.wav").write_text("no sound")
    with pytest.raises(BadClipError, match=r"bad\.wav"):
        list(label_recording(classifier, lalm, tmp_path / "bad.wav", window=1))
