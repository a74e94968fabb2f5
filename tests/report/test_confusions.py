"""Confusions and worst clips, against slow loops."""

from collections import Counter

import numpy as np
import pytest
from made_runs import make_run

from calm_pl.report.confusions import (
    MISTAKEN_SHOWN,
    accuracies,
    confusion_data,
    in_turn,
    mistaken,
    shown_clips,
)
from calm_pl.runs.folder import read_run
from calm_pl.runs.predictions import Question, RunPredictions


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    names = [f"c{n}" for n in range(12)]
    return read_run(make_run(folder, names, clips=30, draws=3, right=0.4, seed=3)).predictions


def test_accuracies(table):
    for c in range(len(table.classes)):
        for m in range(len(table.methods)):
            hits = [
                table.predicted_QDM[q, d, m] == c
                for q in range(len(table.questions))
                for d in range(3)
                if table.label_Q[q] == c
            ]
            assert accuracies(table)[c, m] == pytest.approx(sum(hits) / len(hits))


def test_a_class_without_questions_has_no_accuracy(table):
    wider = table._replace(classes=(*table.classes, "never"))
    assert np.isnan(accuracies(wider)[-1]).all()
    assert shown_clips(wider)[-1] == []
    assert confusion_data(wider, 0)["wrong"][-1] == []


def test_confusions_and_what_is_left_out_of_them(table):
    counts = Counter()
    for q, truth in enumerate(table.label_Q):
        for d in range(3):
            if table.predicted_QDM[q, d, 1] != truth:
                counts[int(truth), int(table.predicted_QDM[q, d, 1])] += 1 / 3
    found = mistaken(table, 1)
    assert found == pytest.approx(dict(counts))
    data = confusion_data(table, 1)
    for truth in range(len(table.classes)):
        row = {answer: count for (t, answer), count in counts.items() if t == truth}
        shown = data["wrong"][truth]
        assert [count for _, count in shown] == sorted((c for _, c in shown), reverse=True)
        assert all(count == pytest.approx(row[answer], abs=0.006) for answer, count in shown)
        assert len(shown) == min(len(row), MISTAKEN_SHOWN)
        assert data["rest"][truth] == len(row) - len(shown)
        if data["rest"][truth]:
            left_out = set(row) - {answer for answer, _ in shown}
            assert max(row[answer] for answer in left_out) <= shown[-1][1] + 0.006
    assert sum(data["rest"]) > 0


def made(rows):
    """A table of one class, two methods and one draw; a row gives predictions and confidences."""
    predicted = np.array([[one[:2]] for one in rows])
    sure = np.array([[one[2:]] for one in rows], dtype=float)
    questions = tuple(Question(f"{n}.wav", "a", 0) for n in range(len(rows)))
    return RunPredictions(
        ("m", "n"), ("a", "b"), questions, ("",) * len(rows), np.zeros(len(rows), int), predicted, sure
    )


def test_the_worst_clip_is_most_often_and_most_confidently_wrong():
    table = made(
        [
            (0, 0, 0.9, 0.9),
            (1, 0, 0.9, 0.5),
            (1, 1, 0.6, 0.6),
            (1, 1, 0.9, 0.6),
            (0, 0, 0.5, 0.5),
            (2, 1, 0, 0.1),
        ]
    )
    (ranked, nothing) = shown_clips(table)
    assert [one.position for one in ranked] == [3, 2, 5, 1, 4, 0]
    assert [one.wrong for one in ranked] == [1, 1, 1, 0.5, 0, 0]
    assert ranked[0].predictions == ((1, 1.0, 0.9), (1, 1.0, 0.6))
    assert ranked[2].predictions[0] == (2, 1.0, 0.0)  # no answer
    assert nothing == []


def test_classes_take_turns():
    table = made([(1, 1, 0.9, 0.9), (1, 1, 0.8, 0.8), (0, 0, 0.5, 0.5)])
    table.label_Q[2] = 1
    clips = in_turn(shown_clips(table), 2)
    assert [(one.label, one.position) for one in clips] == [(0, 0), (1, 2), (0, 1)]
    assert [one.position for one in in_turn(shown_clips(table), 1)] == [0, 2]
