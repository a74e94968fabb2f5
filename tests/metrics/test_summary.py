"""Means, spreads and intervals over folds and draws, by hand."""

import math

import numpy as np
import pytest

from calm_pl.metrics import Predicted, RoundResult, jackknife_intervals, summarise


def a_round(accuracy=0.5, n=4, exact=2, clips=4, confusion=((1, 1), (1, 1)), **more) -> RoundResult:
    values = {"accuracy": accuracy, "macro_f1": accuracy / 2, "exact_match": exact / clips, **more}
    return RoundResult(values, n, exact, clips, np.array(confusion))


def some_predictions(questions=8, draws=1, folds=1) -> Predicted:
    label = np.arange(questions) % 2
    predicted = np.stack([(label + (np.arange(questions) % (3 + d) == 0)) % 2 for d in range(draws)], 1)
    return Predicted(label, predicted, np.arange(questions), np.arange(questions) % folds)


def test_one_round_is_summarised_by_itself():
    confusion = np.array([[5, 2], [1, 12]])
    one = RoundResult({"accuracy": 0.85, "macro_f1": 0.8, "exact_match": 0.85}, 20, 17, 20, confusion)
    result = summarise([[one]], some_predictions())
    assert result.values == one.values
    assert set(result.spread.values()) == {(None, None)}
    assert (result.n, result.clips) == (20, 20)
    assert (result.accuracy, result.macro_f1, result.exact_match) == (0.85, 0.8, 0.85)


@pytest.mark.parametrize(
    ("rounds", "predictions"),
    [
        ([[a_round(), a_round()]], some_predictions(draws=2)),
        ([[a_round()], [a_round()]], some_predictions(folds=2)),
        ([[a_round(n=8)]], some_predictions()._replace(cluster_Q=np.arange(8) // 2)),
    ],
    ids=["draws", "folds", "clusters"],
)
def test_intervals_are_those_of_the_answers(rounds, predictions):
    result, chances = summarise(rounds, predictions), jackknife_intervals(predictions, 2)
    assert result.ci95 == {name: chance.both for name, chance in chances.items()}
    assert result.ci95_parts == (chances if len(rounds[0]) > 1 else {})


def test_means_and_standard_deviations_by_hand():
    # Rows are folds, columns draws; means over folds 0.4, 0.6, 0.5; over draws 0.4 and 0.6.
    accuracy = [[0.2, 0.6, 0.4], [0.6, 0.6, 0.6]]
    rounds = [[a_round(value) for value in fold] for fold in accuracy]
    result = summarise(rounds, some_predictions(draws=3, folds=2))
    assert result.values["accuracy"] == 0.5
    assert result.values["macro_f1"] == 0.25
    assert result.spread["accuracy"].draws == pytest.approx(0.1)
    assert result.spread["accuracy"].folds == pytest.approx(math.sqrt(0.02), abs=1e-6)
    assert result.spread["macro_f1"].draws == pytest.approx(0.05)
    assert result.confusion_CC.tolist() == [[2, 2], [2, 2]]  # a draw's, over both folds
    assert (result.n, result.clips) == (8, 8)  # what each draw answered
    assert [[one.values["accuracy"] for one in fold] for fold in result.rounds] == accuracy


@pytest.mark.parametrize(("folds", "draws"), [(1, 3), (3, 1)])
def test_a_spread_needs_two(folds, draws):
    rounds = [[a_round(0.1 * (f + d)) for d in range(draws)] for f in range(folds)]
    spread = summarise(rounds, some_predictions(6, draws, folds)).spread["accuracy"]
    assert (spread.draws is None) == (draws == 1)
    assert (spread.folds is None) == (folds == 1)
    assert pytest.approx(spread.folds if draws == 1 else spread.draws) == 0.1


def test_other_metrics_have_means_and_spreads_but_no_interval():
    rounds = [[a_round(eer=0.1), a_round(eer=0.3)]]
    result = summarise(rounds, some_predictions(draws=2))
    assert result.values["eer"] == 0.2
    assert result.spread["eer"].draws == pytest.approx(0.141421, abs=1e-6)
    assert set(result.ci95) == {"accuracy", "macro_f1", "exact_match"}
