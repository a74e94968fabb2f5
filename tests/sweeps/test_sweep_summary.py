"""Means, spreads and the oracle, by hand."""

import pytest

from calm_pl.sweeps.summary import gaps, means, with_oracle
from calm_pl.sweeps.table import columns


def row(fold, draw, accuracy, chosen="grid", **more):
    base = dict.fromkeys(columns()) | {"case": "", "method": "calm", "shots": 5, "tau_p": 0.1}
    return base | {"fold": fold, "draw": draw, "accuracy": accuracy, "chosen": chosen} | more


def test_the_spread_is_over_draws_and_over_folds_where_there_is_one_draw():
    rows = [row("1", 0, 0.5), row("1", 1, 0.7), row("2", 0, 0.7), row("2", 1, 0.9)]
    (mean,) = means(rows, "accuracy").values()
    assert mean == pytest.approx((0.7, 0.2 / 2**0.5), abs=1e-6)  # draws: 0.6 and 0.8
    (mean,) = means([one for one in rows if one["draw"] == 0], "accuracy").values()
    assert mean == pytest.approx((0.6, 0.2 / 2**0.5), abs=1e-6)  # folds: 0.5 and 0.7
    (mean,) = means(rows[:1], "accuracy").values()
    assert mean == (0.5, None)


def grid(metric="accuracy"):
    values = {(5, 0.1): (0.6, 0.8), (5, 1.0): (0.9, 0.3), (9, 0.1): (0.5, 0.5), (9, 1.0): (0.6, 0.5)}
    return [
        row("", draw, value, shots=shots, tau_p=tau_p) | {metric: value}
        for (shots, tau_p), pair in values.items()
        for draw, value in enumerate(pair)
    ]


def test_the_oracle_is_the_best_mean_for_each_number_of_shots():
    rows = [
        *grid(),
        *(row("", draw, 0.4, "default", tau_p=0.5) for draw in (0, 1)),
        *(row("", draw, 0.65, "loo", tau_p=draw + 1.0) for draw in (0, 1)),  # another choice in each draw
    ]
    five, nine = gaps(rows, "accuracy")
    assert (five.settings["shots"], five.best["tau_p"], nine.settings["shots"], nine.best["tau_p"]) == (
        5,
        0.1,
        9,
        1.0,
    )
    assert [one.value for one in (five.default, five.loo, five.oracle)] == pytest.approx([0.4, 0.65, 0.7])
    assert (nine.default, nine.loo) == (None, None)
    marked = with_oracle(rows, "accuracy")
    assert marked[: len(rows)] == rows
    added = marked[len(rows) :]
    assert [(one["chosen"], one["shots"], one["tau_p"], one["accuracy"]) for one in added] == [
        *(("oracle", 5, 0.1, 0.6), ("oracle", 5, 0.1, 0.8)),
        *(("oracle", 9, 1.0, 0.6), ("oracle", 9, 1.0, 0.5)),
    ]
    assert with_oracle(marked, "accuracy")[len(marked) :] == added


def test_an_error_rate_is_best_when_small():
    five, _ = gaps(grid("eer"), "eer")
    assert five.best["tau_p"] == 1.0


def test_one_setting_is_no_choice():
    assert gaps([row("", 0, 0.5), row("", 0, 0.6, shots=9)], "accuracy") == []


def test_a_metric_that_is_not_there_has_no_oracle():
    assert gaps(grid(), "eer") == []
