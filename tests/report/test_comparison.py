"""Runs side by side, by hand and against loops."""

import csv

import numpy as np
import pytest
from made_runs import make_run

from calm_pl.errors import RunError
from calm_pl.metrics import paired_difference
from calm_pl.metrics.info import METRICS
from calm_pl.report.comparison import compare, labels_of, ranking, remarks, shared_class_accuracies
from calm_pl.runs.folder import read_run

NAMES = [f"c{n}" for n in range(5)]


def run(folder, **changes):
    return read_run(make_run(folder, **{"classes": NAMES, "clips": 12, **changes}))


def keep(folder, wanted):
    """Leave only some clips in a run's predictions."""
    path = folder / "predictions.csv"
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *(row for row in rows if wanted(row[0]))])
    return read_run(folder)


def test_a_difference_by_hand(tmp_path):
    first, second = run(tmp_path / "a", right=1.0), run(tmp_path / "b", right=0.0)
    found = compare([first, second]).of("calm", 1)
    assert found.difference == -1.0
    # No spread at all, but for the recording that is imagined beside those that are there.
    assert found.interval == pytest.approx((-1.0, -1.0), abs=0.1)
    assert found.interval.low < found.difference < found.interval.high < 0
    assert found.significant
    assert found.questions == 60
    assert found.p_value < 1e-9


def test_a_run_is_no_better_than_itself(tmp_path):
    one = run(tmp_path / "a")
    for found in compare([one, one]).differences:
        assert (found.difference, found.interval, found.p_value) == (0, (0, 0), 1)
        assert not found.significant
    names = compare([one, one]).names
    assert names == (str(tmp_path / "a"),) * 2  # no better name


def test_only_shared_questions_count_whatever_their_order(tmp_path):
    first, second = run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2)
    rows = (tmp_path / "b" / "predictions.csv").read_text().splitlines()
    turned = [rows[0], *reversed(rows[1:])]
    (tmp_path / "b" / "predictions.csv").write_text("\n".join(turned) + "\n")
    second = keep(tmp_path / "b", lambda clip: clip < "clip3")
    comparison = compare([first, second])
    shared = {
        q: (i, second.predictions.questions.index(q))
        for i, q in enumerate(first.predictions.questions)
        if q in second.predictions.questions
    }
    assert len(shared) == 36
    for m, method in enumerate(first.predictions.methods):
        old = np.array([first.predictions.right_QDM[i, 0, m] for i, _ in shared.values()])
        new = np.array([second.predictions.right_QDM[j, 0, m] for _, j in shared.values()])
        found = comparison.of(method, 1)
        assert found.questions == 36
        assert found.difference == pytest.approx(new.mean() - old.mean())
        clusters = np.array([first.predictions.cluster_Q[i] for i, _ in shared.values()])
        alone = paired_difference(new, old, clusters)
        assert (found.interval, found.p_value) == (alone.interval, alone.p_value)
    assert any("b shares 36 of its 36 questions with a (60)" in line for line in remarks(comparison))


def test_clips_of_one_recording_are_drawn_together(tmp_path):
    first, second = run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2)
    alone = compare([first, second]).of("calm", 1).interval
    together = first.predictions._replace(cluster_Q=tuple(str(q // 12) for q in range(60)))
    object.__setattr__(first, "predictions", together)
    assert compare([first, second]).of("calm", 1).interval != alone


def test_draws_are_paired_where_there_are_as_many(tmp_path):
    first, second = run(tmp_path / "a", draws=3, seed=1), run(tmp_path / "b", draws=3, seed=2)
    found = compare([first, second]).of("sav", 1)
    old_RN, new_RN = (one.predictions.right_QDM[..., 1].T for one in (first, second))
    clusters = np.array(first.predictions.cluster_Q)
    assert found.interval == paired_difference(new_RN, old_RN, clusters).interval
    other = run(tmp_path / "c", draws=2, seed=2)
    comparison = compare([first, other])
    assert comparison.of("sav", 1).difference == pytest.approx(
        other.predictions.right_QDM[..., 1].mean() - old_RN.mean()
    )
    assert any("2 draws of the support, not 3" in line for line in remarks(comparison))


def test_methods_that_only_one_has_have_no_difference(tmp_path):
    first, second = run(tmp_path / "a", methods=("calm",)), run(tmp_path / "b", methods=("sav", "calm"))
    comparison = compare([first, second])
    assert comparison.methods == ["calm", "sav"]
    assert comparison.of("sav", 1) is None
    assert comparison.of("calm", 0) is None


def test_runs_without_a_common_clip_are_refused(tmp_path):
    first, second = run(tmp_path / "a"), run(tmp_path / "b", prefix="other")
    with pytest.raises(RunError, match=r"shares no query clip.*other0-0\.wav"):
        compare([first, second])


def test_class_accuracies_are_over_what_all_runs_answered(tmp_path):
    first = run(tmp_path / "a", seed=1)
    run(tmp_path / "b", seed=2)
    second = keep(tmp_path / "b", lambda clip: not clip.startswith("clip4") and not clip.endswith("-0.wav"))
    found = shared_class_accuracies(compare([first, second]), "calm")
    assert list(found) == NAMES[:4]
    for c, label in enumerate(NAMES[:4]):
        expected = []
        for one in (first, second):
            m = one.predictions.methods.index("calm")
            hits = [
                bool(one.predictions.right_QDM[q, 0, m])
                for q, question in enumerate(one.predictions.questions)
                if question.label == label and not question.clip.endswith("-0.wav")
            ]
            assert len(hits) == 11
            expected.append(sum(hits) / 11)
        assert found[label] == pytest.approx(expected), c


def test_every_method_of_every_run_is_ranked(tmp_path):
    import json

    made = {"a": {"calm": 0.9, "sav": 0.5}, "b": {"calm": 0.9, "sav": 0.7, "calm:oracle": 0.99}}
    for name, accuracies in made.items():
        folder = make_run(tmp_path / name, NAMES, methods=tuple(accuracies), clips=12)
        results = json.loads((folder / "results.json").read_text())
        for method, value in accuracies.items():
            results["methods"][method]["accuracy"] = value
        results["methods"] = {m.replace(":oracle", "_oracle"): e for m, e in results["methods"].items()}
        results["differences"] = []
        (folder / "results.json").write_text(json.dumps(results))
    comparison = compare([read_run(tmp_path / name) for name in made])
    found = ranking(comparison, METRICS["accuracy"])
    places = [(one.rank, one.method, one.run) for one in found if one.method in ("calm", "sav")]
    assert places == [(1, "calm", 0), (1, "calm", 1), (3, "sav", 1), (4, "sav", 0)]
    assert [one.near for one in found[:2]] == [None, None]
    # By the predictions, in which each method is right as often as any other.
    assert all(one.near for one in found[2:])


def test_what_is_significantly_worse_is_not_near_the_best(tmp_path):
    comparison = compare([run(tmp_path / "a", right=1.0), run(tmp_path / "b", right=0.2)])
    near = {one.run: one.near for one in ranking(comparison, METRICS["accuracy"]) if one.rank > 1}
    assert near == {1: False}
    assert all(one.near is None for one in ranking(comparison, METRICS["macro_f1"]))


def test_long_names_are_numbered_where_there_is_little_room():
    assert labels_of(["a", "fourteen-chars"]) == ["a", "fourteen-chars"]
    assert labels_of(["a", "fifteen-letters"]) == ["run 1", "run 2"]
