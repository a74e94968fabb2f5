"""Files of classifiers from elsewhere: what cannot be is refused in one sentence, what can be is read."""

import copy
import json
import os
import pickle
import random
import shutil

import numpy as np
import pytest
import torch
from crafted_classifiers import CASES, CLASSES, PROMPT, Parts, good_parts, write
from head_vectors import noisy_clips

from calm_pl import Calm, CalmGlobal, Sav, load_classifier
from calm_pl.errors import ModelError
from calm_pl.methods.classifier import Classifier

SHARED = "../shared/data/faults/classifiers"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return good_parts(tmp_path_factory.mktemp("good"))


@pytest.fixture
def crafted(parts, tmp_path):
    """Writes a file of the good parts after a change."""

    def make(change):
        mine = Parts(dict(parts.header), dict(parts.tensors))
        change(mine)
        return write(tmp_path / "crafted.safetensors", mine)

    return make


def test_the_table_is_long():
    assert len(CASES) > 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_crafted_file_is_refused_by_name_or_loaded(crafted, case):
    path = crafted(case.change)
    if case.told is None:
        x, _ = noisy_clips(1, (2, 2, 2))
        for voter in load_classifier(path).voters.values():
            np.testing.assert_allclose(voter.predict_proba(x).sum(1), 1, atol=1e-5)
        return
    with pytest.raises(ModelError, match=case.told) as error:
        load_classifier(path)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value)) < 700


def test_a_good_file_predicts_as_it_was_saved(crafted):
    loaded = load_classifier(crafted(lambda parts: None))
    assert set(loaded.classes) == set(CLASSES)
    assert loaded.prompt == PROMPT
    assert loaded.lacking() == []
    x, y = noisy_clips(0, (4, 4, 4))
    labels = [CLASSES[c] for c in y]
    for name, voter in {"sav": Sav(3), "calm_global": CalmGlobal(), "calm_k2": Calm(top_k=2)}.items():
        again = loaded.voters[name]
        assert again.predict(x).tolist() == voter.fit(x, labels).predict(x).tolist()
        np.testing.assert_array_equal(again.predict_proba(x), voter.predict_proba(x))


@pytest.mark.parametrize(
    "classes",
    [
        ("a,b", "a;b", "a|b"),
        ('"', "'", "\\"),
        ("é", "e\u0301", "E"),  # composed and not
        ("雨", "🐕", "\u202eabc"),
        (" a", "a", "a "),
        ("null", "NaN", "1"),
        ("=1+1", "@x", "-1"),
    ],
)
def test_class_names_come_back_as_they_were(tmp_path, classes):
    x, y = noisy_clips(0, (3, 3, 3))
    voter = Sav(3).fit(x, [classes[c] for c in y])
    order = tuple(voter.classes_.tolist())
    loaded = load_classifier(Classifier({"sav": voter}, order, {}, {}).save(tmp_path / "c.safetensors"))
    assert loaded.classes == order == tuple(sorted(classes))
    assert loaded.voters["sav"].predict(x).tolist() == voter.predict(x).tolist()
    assert loaded.lacking()[0] == "prompt.question"


def test_labels_that_steer_a_terminal_are_not_stored(tmp_path):
    x, y = noisy_clips(0, (3, 3))
    voter = Sav(3).fit(x, [["a\x1b[2J", "b"][c] for c in y])
    with pytest.raises(ValueError, match=r"without control characters, but 'a\\x1b\[2J' holds U\+001B"):
        Classifier({"sav": voter}, tuple(voter.classes_.tolist()), {}, {}).save(tmp_path / "c.safetensors")


FILES = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a classifier"),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"classes": ["a"]})),
    "header of 8 exabytes": lambda path: path.write_bytes(b"\xff" * 7 + b"\x7f" + b"{}"),
    "header that is not valid JSON": lambda path: path.write_bytes((2).to_bytes(8, "little") + b"{{"),
    "no metadata": lambda path: write(path, Parts(None, {"centroids": torch.ones(2)})),
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_classifier_is_refused(tmp_path, kind):
    path = tmp_path / "x.safetensors"
    FILES[kind](path)
    with pytest.raises(ModelError, match="classifier"):
        load_classifier(path)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.999])
def test_a_file_that_was_cut_is_refused(crafted, kept):
    path = crafted(lambda parts: None)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ModelError, match="cannot be read as a classifier"):
        load_classifier(path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nan_centroid", "`centroids` must be finite, but is nan"),
        ("classes_short", r"`centroids` must have the shape \(3, H, D\), but has \(10, 40, 32\)"),
    ],
)
def test_the_crafted_files_that_were_shared(tmp_path, name, told):
    from conftest import REPO

    source = REPO / SHARED / f"{name}.safetensors"
    if not source.is_file():
        pytest.skip("needs the shared folder")
    path = shutil.copy(source, tmp_path / "shared.safetensors")
    with pytest.raises(ModelError, match=told):
        load_classifier(path)


def test_voters_of_several_supports_are_not_saved_as_one(tmp_path):
    x, y = noisy_clips(0, (3, 3))
    labels = [("a", "b")[c] for c in y]
    one, other = Sav(2).fit(x, labels), Calm().fit(x * 2, labels)
    with pytest.raises(ValueError, match="fitted on the same support, but 'calm' is not"):
        Classifier({"sav": one, "calm": other}, ("a", "b"), {}, {}).save(tmp_path / "c.safetensors")
    with pytest.raises(ValueError, match="'sav' knows"):
        Classifier({"sav": one}, ("b", "a"), {}, {}).save(tmp_path / "c.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ({"question": "?"}, "has no prompt.n_options, so it can only classify vectors"),
        (
            {**PROMPT, "long_clips": "other"},
            "prompt.long_clips must be one of start, center, windows, stop, but",
        ),
    ],
)
def test_predict_says_what_a_classifier_lacks(crafted, call, tmp_path, prompt, told):
    path = crafted(lambda parts: parts.header.update(prompt=json.dumps(prompt)))
    (tmp_path / "clip.wav").write_bytes(b"")
    result = call("predict", "--classifier", path, tmp_path / "clip.wav")
    assert result.returncode == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_a_state_that_cannot_be_leaves_the_voter_alone():
    x, y = noisy_clips(0, (3, 3))
    voter = Calm().fit(x, y)
    before = copy.deepcopy(voter.fitted_state())
    state = {**before, "weights": before["weights"].T}
    with pytest.raises(ValueError, match=r"`weights` must have the shape \(2, 6\), but has \(6, 2\)"):
        voter.load_fitted_state([0, 1], voter.centroids_, state)
    assert all(torch.equal(voter.fitted_state()[name], tensor) for name, tensor in before.items())


def test_changed_bytes_are_refused_in_a_sentence_or_leave_a_file_that_predicts(crafted):
    path = crafted(lambda parts: None)
    good, rng = path.read_bytes(), random.Random(0)
    end_of_header = int.from_bytes(good[:8], "little") + 8
    x, _ = noisy_clips(1, (2, 2, 2))
    outcomes = set()
    for _ in range(300):
        changed = bytearray(good)
        changed[rng.randrange(end_of_header)] = rng.choice(b'0123456789[]{}",:-aE\\\xff')
        path.write_bytes(changed)
        try:
            voters = load_classifier(path).voters.values()
        except ModelError:
            outcomes.add("refused")
        else:
            outcomes.add("read")
            for voter in voters:
                np.testing.assert_allclose(voter.predict_proba(x).sum(1), 1, atol=1e-4)
    assert outcomes == {"refused", "read"}
