"""Results by method print as the table of a run."""

import numpy as np
from rich.console import Console

from calm_pl.metrics import MethodResult, MethodResults, Spread
from calm_pl.metrics.intervals import Interval


def result(accuracy, folds=None):
    return MethodResult(
        {"accuracy": accuracy, "macro_f1": 0.5},
        {"accuracy": Spread(None, folds), "macro_f1": Spread(None, None)},
        {"accuracy": Interval(0.25, 0.75), "macro_f1": Interval(0.125, 0.875)},
        {},
        10,
        10,
        [],
        np.eye(2),
    )


def test_a_row_for_each_method():
    results = MethodResults(sav=result(0.5), calm_auto=result(0.625, folds=0.0125))
    assert results.headings() == ["method", "accuracy", "95 %", "Macro-F1", "95 %"]
    assert results.rows() == [
        ["SAVs", "50.0", "25.0–75.0", "50.0", "12.5–87.5"],
        ["CALM-Auto", "62.5 ± 1.2", "25.0–75.0", "50.0", "12.5–87.5"],
    ]
    console = Console(width=80)
    with console.capture() as printed:
        console.print(results)
    assert "62.5 ± 1.2" in repr(results)
    assert "62.5 ± 1.2" in printed.get()
    assert results["sav"].accuracy == 0.5
    markup = results._repr_html_()
    assert (
        '<td style="text-align: left">CALM-Auto</td><td style="text-align: right">62.5 ± 1.2</td>' in markup
    )


def test_none_yet():
    assert repr(MethodResults()) == "{}"


def test_text_is_no_markup():
    assert "&lt;b&gt;" in MethodResults({"<b>": result(0.5)})._repr_html_()
