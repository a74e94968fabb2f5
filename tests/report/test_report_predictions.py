"""`predictions.csv` read back."""

import numpy as np
import pytest

from calm_pl.errors import RunError
from calm_pl.runs.predictions import Question, read_predictions

FILE = """\
clip,fold,draw,label,options,cluster,zero_shot,zero_shot_confidence,calm,calm_confidence
a.wav,1,0,owl,,7,owl,0.9,wren,0.6
a.wav,1,1,owl,,7,owl,0.9,owl,0.5
b.wav,1,0,wren,,7,,0.0,wren,0.8
b.wav,1,1,wren,,7,,0.0,owl,0.7
"""


@pytest.fixture
def write(tmp_path):
    def path(text):
        (tmp_path / "predictions.csv").write_text(text)
        return tmp_path / "predictions.csv"

    return path


def test_a_file_of_two_draws(write):
    table = read_predictions(write(FILE), ["wren", "owl"])
    assert table.methods == ("zero_shot", "calm")
    assert table.classes == ("wren", "owl")
    assert table.questions == (Question("a.wav", "owl", 0), Question("b.wav", "wren", 0))
    assert table.cluster_Q == ("7", "7")
    assert table.label_Q.tolist() == [1, 0]
    assert table.predicted_QDM.tolist() == [[[1, 0], [1, 1]], [[2, 0], [2, 1]]]  # 2: no answer
    assert table.confidence_QDM[..., 1].tolist() == [[0.6, 0.5], [0.8, 0.7]]
    assert table.right_QDM[..., 1].tolist() == [[False, True], [True, False]]


def test_classes_that_nobody_named_follow_by_name(write):
    assert read_predictions(write(FILE)).classes == ("owl", "wren")
    assert read_predictions(write(FILE), ["robin"]).classes == ("robin", "owl", "wren")


def test_without_clusters_each_clip_is_its_own(write):
    header, *rows = FILE.splitlines()
    older = [header.replace("cluster", "unused"), *rows]
    assert read_predictions(write("\n".join(older))).cluster_Q == ("a.wav", "b.wav")


def test_a_clip_asked_twice_for_one_label_gives_two_questions(write):
    twice = FILE.replace("b.wav,1,0,wren", "a.wav,1,0,owl").replace("b.wav,1,1,wren", "a.wav,1,1,owl")
    table = read_predictions(write(twice))
    assert table.questions == (Question("a.wav", "owl", 0), Question("a.wav", "owl", 1))
    assert np.array_equal(table.predicted_QDM[..., 0], [[0, 0], [2, 2]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must have the columns"),
        ("clip,label\na,b\n", "must have the columns"),
        (FILE.splitlines()[0] + "\n", "must have the columns"),
        (FILE.replace(",0.6", ""), "must have the columns"),
        (FILE.replace("0.6", "sure"), "is not a number"),
        ("\n".join(FILE.splitlines()[:4]) + "\n", "every question in every draw"),
    ],
)
def test_other_files_are_refused_by_name(write, text, words):
    with pytest.raises(RunError, match=words) as caught:
        read_predictions(write(text))
    assert "predictions.csv" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"nothing.*predictions\.csv"):
        read_predictions(tmp_path / "nothing" / "predictions.csv")
